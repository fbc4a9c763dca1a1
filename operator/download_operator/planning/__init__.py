"""What to do next about one schedule. Pure: the same snapshot and time give the same plan.

May import `cache` and `manifests`, but nothing that talks to the cluster.
"""
