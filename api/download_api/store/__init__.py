"""Schedules in the cluster: read, write, list, watch, logs.

May import `auth`, `schema` and `kube`.
"""
