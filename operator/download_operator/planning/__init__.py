"""What to do next about one schedule. Pure: the same snapshot and time give the same action.

May import `cache` and `manifests`, but nothing that talks to the cluster.
"""
