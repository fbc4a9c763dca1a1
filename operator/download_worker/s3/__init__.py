"""Objects in a bucket of an S3 service.

May import `sink`, `http`, `egress` and `errors`. Only attempts that write to a bucket load it.
"""
