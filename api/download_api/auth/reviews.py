"""TokenReview and SubjectAccessReview: who somebody is, and what he may do. Only the API server
decides; what it did not clearly grant is not granted.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from download_api.problems import ProblemError
from download_kube.client import ApiError, KubeClient
from download_schedule.model import GROUP, PLURAL, VERSION

JSON = dict[str, Any]

TOKEN_REVIEWS: Final = "/apis/authentication.k8s.io/v1/tokenreviews"  # noqa: S105 - a path
ACCESS_REVIEWS: Final = "/apis/authorization.k8s.io/v1/subjectaccessreviews"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Caller:
    """Who sent a request, as Kubernetes knows him."""

    user: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()
    by_token: bool = field(default=False, compare=False)
    """Whether he showed a token of the cluster, and no key."""


@dataclass(frozen=True, kw_only=True)
class Right:
    """What somebody wants to do; no namespace means all of them, no name any."""

    verb: str
    resource: str = PLURAL
    subresource: str = ""
    group: str = GROUP
    namespace: str = ""
    name: str = ""

    def __str__(self) -> str:
        """Return it as Kubernetes' own refusals put it."""
        resource = f"{self.resource}/{self.subresource}" if self.subresource else self.resource
        kind = f"{resource} of {self.group}" if self.group else resource
        name = f" {self.name}" if self.name else ""
        place = f"in the namespace {self.namespace}" if self.namespace else "in all namespaces"
        return f"{self.verb} {kind}{name} {place}"


def token_review(token: str, audience: str) -> JSON:
    """Return the question whose *token* it is; an empty *audience* is the API server's own."""
    spec: JSON = {"token": token, **({"audiences": [audience]} if audience else {})}
    return {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec}


def caller_of(answer: Mapping[str, Any], audience: str) -> Caller | None:
    """Return who the token's owner is; None: the token is not good, or made for others.

    An authenticator that knows no audiences answers without them, and is not believed.
    """
    status = answer.get("status", {})
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
        by_token=True,
    )


def access_review(caller: Caller, right: Right) -> JSON:
    """Return the question whether *caller* has *right*."""
    attributes = {
        "verb": right.verb,
        "group": right.group,
        "version": VERSION if right.group == GROUP else "v1",
        "resource": right.resource,
        "subresource": right.subresource,
        "namespace": right.namespace,
        "name": right.name,
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


def is_allowed(answer: Mapping[str, Any]) -> bool:
    """Whether the right is granted, in so many words."""
    status = answer.get("status", {})
    return status.get("allowed") is True and status.get("denied") is not True


async def owner(cluster: KubeClient, audience: str, token: str) -> Caller | None:
    """Ask whose a token is; see :func:`caller_of`, and :func:`_ask` for what it raises."""
    return caller_of(await _ask(cluster, TOKEN_REVIEWS, token_review(token, audience)), audience)


async def is_granted(cluster: KubeClient, caller: Caller, right: Right) -> bool:
    """Ask whether somebody has a right; see :func:`_ask` for what it raises."""
    return is_allowed(await _ask(cluster, ACCESS_REVIEWS, access_review(caller, right)))


async def _ask(cluster: KubeClient, path: str, review: JSON) -> JSON:
    """Return the API server's answer to a review.

    Raises:
        ProblemError: 503, it did not let us ask; nobody gets in.
        UnreachableError: it did not answer; nobody gets in.
    """
    try:
        return await cluster.request("POST", path, review)
    except ApiError as error:
        log.error("the API server refused a %s (%d): %s", review["kind"], error.status, error)
        sentence = "The cluster could not say what you may do; try again in a few seconds."
        raise ProblemError(503, "cluster_unavailable", sentence, {"Retry-After": "5"}) from error
