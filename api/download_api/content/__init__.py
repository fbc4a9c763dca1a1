"""The file that a run kept, read from a volume or linked to in S3.

May import `store` and what that imports.
"""
