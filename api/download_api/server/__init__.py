"""Around every request: connections, request ids, audit, metrics, streams.

May import `auth`, `problems` and `tracing`.
"""
