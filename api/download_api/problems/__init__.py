"""How a request fails: RFC 9457 problem details that also carry the seed API's ``detail``.

May import `casing`.
"""
