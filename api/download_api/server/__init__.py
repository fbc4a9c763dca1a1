"""What surrounds every request: protocol limits, middleware, streams, metrics.

May import `problems`, `tracing` and `settings`.
"""
