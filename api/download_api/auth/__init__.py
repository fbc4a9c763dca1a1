"""Who is calling, and what they may do.

Every route declares the permission that it requires; `guard` refuses to build one that declares
none. May import `schema`, `problems` and `settings`.
"""
