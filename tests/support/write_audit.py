"""What was written of ours, by the API server's own count."""

import re
from collections import Counter

from tests.support.kubectl import Kubectl

Writes = Counter[tuple[str, str]]

_VERBS = ("POST", "PUT", "PATCH", "APPLY")
"""Not DELETE: the garbage collector deletes what tests before have left."""
_OURS = {"downloadschedules": ("", "status"), "cronjobs": ("",), "jobs": ("",)}
"""By resource, the subresources that the operator writes; those of others are no work of ours."""


def writes(kubectl: Kubectl) -> Writes:
    """Count requests that were carried out since the API server's start, by verb and resource."""
    count: Writes = Counter()
    for line in kubectl("get", "--raw", "/metrics").splitlines():
        if line.startswith("apiserver_request_total{"):
            labels = dict(re.findall(r'(\w+)="([^"]*)"', line))
            ours = labels["subresource"] in _OURS.get(labels["resource"], ())
            if ours and labels["verb"] in _VERBS and labels["code"].startswith("2"):
                what = "/".join(filter(None, (labels["resource"], labels["subresource"])))
                count[labels["verb"], what] += int(float(line.rsplit(" ", 1)[1]))
    return count
