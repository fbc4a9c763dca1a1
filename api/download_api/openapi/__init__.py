"""The OpenAPI document: the responses of routes, examples, and what FastAPI does not find itself.

May import `schema` and `problems`.
"""
