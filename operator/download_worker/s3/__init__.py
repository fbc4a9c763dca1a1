"""Objects in a bucket.

May import `sink`, `egress` and `errors`. Loaded by the attempts that upload, and by no others.
"""
