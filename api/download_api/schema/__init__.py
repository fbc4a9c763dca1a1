"""The shapes of the API and of the resource, and the way from one to the other. Pure.

May import `problems` and `casing`.
"""
