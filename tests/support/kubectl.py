"""kubectl, where tests look for it."""

from tools.cluster.kubectl import Kubectl, NotSeenError, RefusedError, wait_for

__all__ = ["Kubectl", "NotSeenError", "RefusedError", "wait_for"]
