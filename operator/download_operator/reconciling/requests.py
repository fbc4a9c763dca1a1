"""Requests to the API server whose failures say what to do next."""

import logging
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import msgspec

from download_kube.client import JSON_TYPE, KubeClient
from download_kube.errors import ApiError
from download_kube.lease import Lease
from download_kube.pages import Page, read_pages
from download_schedule.types import JSONObject

log = logging.getLogger(__name__)

T = TypeVar("T")

SKIP_FIELD_VALIDATION: Final = {"fieldValidation": "Ignore"}
"""Our bodies have no unknown fields to warn about; looking for them costs the API server CPU."""

MAX_LIST_BYTES: Final = 64 * 1024**2
"""How much of a list is read: a thousand Pods of ours are 10 MB."""

_TRANSIENT: Final = frozenset({408, 429})


@dataclass(frozen=True, slots=True)
class Accepted:
    """The API server did what we asked."""

    response: JSONObject


@dataclass(frozen=True, slots=True)
class Stale:
    """The object is not what we took it for: it is gone, was changed, or exists already."""

    error: ApiError


@dataclass(frozen=True, slots=True)
class Rejected:
    """Somebody has to change something before the same request can succeed."""

    error: ApiError


Outcome = Accepted | Stale | Rejected


class Requests:
    """Reads, and writes under the protection of the Lease.

    Args:
        client: connection to the API server.
        lease: the right to write.
    """

    def __init__(self, client: KubeClient, lease: Lease) -> None:
        self._client = client
        self._lease = lease

    async def list_by_label(
        self, path: str, label: str, value: str, decode: Callable[[msgspec.Raw], T]
    ) -> AsyncIterator[T]:
        """Yield the objects of a collection with this label, page by page.

        Anybody who may create objects in the namespace can write the label. So what cannot be read
        is left out, and so is what comes after :data:`MAX_LIST_BYTES`.

        Raises:
            ApiError, UnreachableError: try again later.
        """
        read = 0
        async for page in read_pages(self._client, path, {"labelSelector": f"{label}={value}"}):
            objects = list(_decode_all(page, decode))
            read += page.bytes
            is_cut = read > MAX_LIST_BYTES and bool(page.continue_token)
            del page
            for obj in objects:
                yield obj
            if is_cut:
                log.warning("list of %s of %s: too large, leaving out the rest", path, value)
                return

    async def read(self, path: str) -> Outcome:
        """Read one object.

        Raises:
            ApiError, UnreachableError: try again later.
        """
        try:
            return Accepted(await self._client.request("GET", path))
        except ApiError as error:
            return _classify(error)

    async def write(
        self, method: str, path: str, body: Mapping[str, Any], accept: str = JSON_TYPE
    ) -> Outcome:
        """Change one object.

        Raises:
            ApiError, UnreachableError: try again later.
            LeaseLostError: another replica may hold the Lease.
        """
        self._lease.check()
        try:
            return Accepted(
                await self._client.request(method, path, body, SKIP_FIELD_VALIDATION, accept)
            )
        except ApiError as error:
            return _classify(error)


def _decode_all(page: Page, decode: Callable[[msgspec.Raw], T]) -> Iterator[T]:
    for item in page.items:
        with suppress(ValueError, RecursionError):
            yield decode(item)


def _classify(error: ApiError) -> Stale | Rejected:
    """Return what a failure means; raise it if the same request may succeed later.

    A webhook or a policy may refuse with any status; if a webhook does not respond, the status is
    500.
    """
    if error.is_not_found or error.is_conflict:
        return Stale(error)
    if error.status in _TRANSIENT or (error.status >= 500 and "webhook" not in str(error)):
        raise error
    return Rejected(error)
