"""What the operator writes to the cluster: CronJobs, Pods, Jobs and Events. Pure.

May import `cache.objects` and `settings`.
"""
