"""The API's schemas, and the conversion between them and the resource. Pure.

May import `problems` and `casing`.
"""
