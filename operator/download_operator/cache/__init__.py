"""What the operator has observed of the cluster: trimmed copies of its objects, without I/O.

Watches keep it up to date. May import `download_kube.reflector` and `download_schedule`.
"""
