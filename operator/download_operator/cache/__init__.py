"""What is known of the cluster: trimmed copies of its objects, kept up to date by watches.

Plain memory, without I/O. May import `download_kube.reflector` and `download_schedule`.
"""
