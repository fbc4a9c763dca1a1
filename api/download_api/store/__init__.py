"""Schedules in the cluster: read, write, list, watch, request runs, read logs.

May import `auth`, `schema`, `problems` and `tracing`.
"""
