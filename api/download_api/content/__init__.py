"""The file that a run kept: where it is, and its bytes from a volume or a link to it in S3.

May import `auth`, `schema`, `problems` and `settings`.
"""
