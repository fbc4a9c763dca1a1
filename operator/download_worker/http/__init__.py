"""One HTTP exchange: request, redirects, response, content coding, validators (RFC 9110).

May import `egress` and `errors`. Only `curl` knows libcurl.
"""
