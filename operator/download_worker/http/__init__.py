"""One HTTP exchange: request, response, redirects, content coding, validators (RFC 9110).

May import `egress` and `errors`. Only `curl` knows libcurl.
"""
