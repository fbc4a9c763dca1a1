"""Which addresses may be connected to, and the proxy that enforces it for Chromium and S3.

May import `errors` and `progress`. Everything that opens a connection goes through here.
"""
