"""The HTTP API: the schedules of a cluster for callers who do not use kubectl."""
