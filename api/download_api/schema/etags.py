"""ETags of schedules, and If-Match (RFC 9110, 13.1.1). Pure."""

import hashlib
from collections.abc import Mapping
from typing import Any

from download_api.schema.ids import display_name


def etag(resource: Mapping[str, Any]) -> str:
    """Return an ETag that changes whenever a caller changes the schedule.

    Kubernetes increments the generation when the spec changes. The display name is an annotation,
    which the generation does not cover.
    """
    metadata = resource["metadata"]
    digest = hashlib.sha256(display_name(resource).encode()).hexdigest()[:8]
    return f'"{metadata["uid"]}-{metadata["generation"]}-{digest}"'


def satisfies_if_match(resource: Mapping[str, Any], if_match: str | None) -> bool:
    """Return whether a resource has one of the ETags in If-Match; None allows any."""
    if if_match is None:
        return True
    tags = {tag.strip() for tag in if_match.split(",")}
    return bool(tags & {etag(resource), "*"})
