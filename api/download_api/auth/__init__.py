"""Who is asking, and what they may do.

Every route declares the permission that it requires; `guard` refuses a route without one. May
import `schema` and `problems`.
"""
