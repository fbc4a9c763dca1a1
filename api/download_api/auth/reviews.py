"""TokenReview and SubjectAccessReview: who a caller is, and what they may do.

Only the API server decides. What it does not clearly grant is denied.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from download_api.problems.problem import cluster_unavailable
from download_kube.client import KubeClient
from download_kube.errors import ApiError
from download_schedule.model import GROUP, PLURAL, VERSION
from download_schedule.types import JSONObject

TOKEN_REVIEWS: Final = "/apis/authentication.k8s.io/v1/tokenreviews"  # noqa: S105 - a path
ACCESS_REVIEWS: Final = "/apis/authorization.k8s.io/v1/subjectaccessreviews"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Caller:
    """Who sent a request, as Kubernetes knows them."""

    user: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()
    has_token: bool = field(default=False, compare=False)
    """Whether they sent a token of the cluster, and not an API key."""


@dataclass(frozen=True, kw_only=True)
class Permission:
    """One action in Kubernetes; an empty namespace means all namespaces, an empty name any name."""

    verb: str
    resource: str = PLURAL
    subresource: str = ""
    group: str = GROUP
    namespace: str = ""
    name: str = ""

    def __str__(self) -> str:
        """Return the action in the words of Kubernetes' own refusals."""
        resource = f"{self.resource}/{self.subresource}" if self.subresource else self.resource
        kind = f"{resource} of {self.group}" if self.group else resource
        name = f" {self.name}" if self.name else ""
        scope = f"in the namespace {self.namespace}" if self.namespace else "in all namespaces"
        return f"{self.verb} {kind}{name} {scope}"


def build_token_review(token: str, audience: str) -> JSONObject:
    """Return the review of *token*; an empty *audience* means the API server's own."""
    spec: JSONObject = {"token": token}
    if audience:
        spec["audiences"] = [audience]
    return {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec}


def parse_token_review(review: Mapping[str, Any], audience: str) -> Caller | None:
    """Return the token's owner, or None if the token is invalid or meant for another audience.

    An authenticator that does not support audiences returns none. Its tokens are not accepted.
    """
    status = review.get("status", {})
    user = status.get("user", {})
    if status.get("authenticated") is not True or not user.get("username"):
        return None
    if audience and audience not in status.get("audiences", ()):
        return None
    extra = {name: tuple(values) for name, values in user.get("extra", {}).items()}
    return Caller(
        user=user["username"],
        groups=tuple(user.get("groups", ())),
        uid=user.get("uid", ""),
        extra=tuple(sorted(extra.items())),
        has_token=True,
    )


def build_access_review(caller: Caller, permission: Permission) -> JSONObject:
    """Return the review of whether *caller* has *permission*."""
    attributes = {
        "verb": permission.verb,
        "group": permission.group,
        "version": VERSION if permission.group == GROUP else "v1",
        "resource": permission.resource,
        "subresource": permission.subresource,
        "namespace": permission.namespace,
        "name": permission.name,
    }
    return {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": caller.user,
            "groups": list(caller.groups),
            "uid": caller.uid,
            "extra": {name: list(values) for name, values in caller.extra},
            "resourceAttributes": {name: value for name, value in attributes.items() if value},
        },
    }


def parse_access_review(review: Mapping[str, Any]) -> bool:
    """Return whether the API server has explicitly allowed the action."""
    status = review.get("status", {})
    return status.get("allowed") is True and status.get("denied") is not True


async def review_token(client: KubeClient, audience: str, token: str) -> Caller | None:
    """Ask the API server who owns *token*; None if nobody does.

    Raises:
        ProblemError, UnreachableError: see :func:`_review`.
    """
    review = await _review(client, TOKEN_REVIEWS, build_token_review(token, audience))
    return parse_token_review(review, audience)


async def review_access(client: KubeClient, caller: Caller, permission: Permission) -> bool:
    """Ask the API server whether *caller* has *permission*.

    Raises:
        ProblemError, UnreachableError: see :func:`_review`.
    """
    review = await _review(client, ACCESS_REVIEWS, build_access_review(caller, permission))
    return parse_access_review(review)


async def _review(client: KubeClient, path: str, review: JSONObject) -> JSONObject:
    """Return the API server's answer to a review. Without an answer, nobody gets in.

    Raises:
        ProblemError: 503, the API server refused the review.
        UnreachableError: it did not respond.
    """
    try:
        return await client.request("POST", path, review)
    except ApiError as error:
        log.error("the API server refused a %s (%d): %s", review["kind"], error.status, error)
        raise cluster_unavailable(
            "The cluster cannot check your permissions; try again in a few seconds."
        ) from error
