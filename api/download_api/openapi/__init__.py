"""The OpenAPI document: responses, examples, descriptions.

May import `schema` and `problems`.
"""
