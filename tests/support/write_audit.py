"""Writes of the operator, as the API server counts them."""

import re
from collections import Counter

from tools.cluster.kubectl import Kubectl

Writes = Counter[tuple[str, str]]
"""Requests by verb and resource."""

_VERBS = ("POST", "PUT", "PATCH", "APPLY")
"""Without DELETE: the garbage collector deletes what earlier tests left behind."""
_SUBRESOURCES = {"downloadschedules": ("", "status"), "cronjobs": ("",), "jobs": ("",)}
"""By resource, the subresources that the operator writes; others are written by Kubernetes."""


def count_writes(kubectl: Kubectl) -> Writes:
    """Count the successful writes since the API server's start."""
    count: Writes = Counter()
    for line in kubectl("get", "--raw", "/metrics").splitlines():
        if not line.startswith("apiserver_request_total{"):
            continue
        labels = dict(re.findall(r'(\w+)="([^"]*)"', line))
        resource, subresource = labels["resource"], labels["subresource"]
        is_ours = subresource in _SUBRESOURCES.get(resource, ())
        if is_ours and labels["verb"] in _VERBS and labels["code"].startswith("2"):
            path = "/".join(filter(None, (resource, subresource)))
            count[labels["verb"], path] += int(float(line.rsplit(" ", 1)[1]))
    return count
