"""Who is calling, and what they may do.

Every route declares the permission that it requires; `guard` does not let a route be made without.
May import `schema`, `problems` and `settings`.
"""
