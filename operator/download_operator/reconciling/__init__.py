"""The loop that keeps schedules up to date: take a key, decide, carry out, decide again.

Nothing else of the operator writes to the cluster, except the Lease. May import `planning`.
"""
