"""Leader election by a Lease of ``coordination.k8s.io/v1``: one replica writes, others stand by.

The rules are those of client-go's leader election: whoever sees the Lease unrenewed for its whole
duration may take it, judged by its own clock alone; clocks of two machines are never compared.
What is ours is :meth:`Lease.check`, for every write (see docs/design/2026-11-one-writer.md).
"""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from download_kube.client import UNREACHABLE, ApiError, KubeClient

log = logging.getLogger(__name__)

JSON = dict[str, Any]

NAME: Final = "download-operator"
DURATION: Final = 10
"""Seconds after which others may take a Lease that was not renewed."""
RENEW_DEADLINE: Final = 7.0
"""Seconds after its last renewal was sent for which the holder writes; then it has lost."""
RETRY: Final = 2.0
"""Seconds between renewals, and between looks at somebody else's Lease."""
MOST_TRANSITIONS: Final = 2**31 - 1
"""What the API server can count; nobody could take a Lease of one more."""
REQUEST_SECONDS: Final = 4.0
"""Longest time that a request about the Lease may take: one that fails leaves time for another."""


class LeaseLostError(Exception):
    """The Lease is not ours any more: the process must end, and writes nothing until then."""


def boot_seconds() -> float:
    """Return seconds that go on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Lease:
    """The right to write.

    Args:
        client: connection to the API server.
        namespace: of the Lease.
        identity: who we are; a process may go on at once where one of its own name stopped.
        clock: seconds, always growing.
    """

    def __init__(
        self,
        client: KubeClient,
        namespace: str,
        identity: str,
        clock: Callable[[], float] = boot_seconds,
    ) -> None:
        self.acquired = asyncio.Event()
        """Set when the Lease is ours for the first time."""
        self._client = client
        self._path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        self._namespace = namespace
        self._identity = identity
        self._clock = clock
        self._renewed = float("-inf")
        self._stored: JSON | None = None
        self._seen: tuple[str, float] = ("", 0.0)
        """Version of somebody else's Lease, and when we first saw it."""

    async def hold(self) -> None:
        """Get the Lease and renew it until cancelled.

        Raises:
            LeaseLostError: it was ours and could not be renewed in time, or somebody has it.
        """
        while True:
            asked = self._clock()
            try:
                async with asyncio.timeout(REQUEST_SECONDS):
                    renewed = await self._renew()
            except (ApiError, *UNREACHABLE) as error:
                self._stored = None
                log.warning("Lease %s: %s", NAME, error or type(error).__name__)
            else:
                if renewed:
                    self._renewed = asked
                    self.acquired.set()
            if self.acquired.is_set():
                self.check()
            await asyncio.sleep(RETRY)

    def check(self) -> None:
        """Return if nobody else can have the Lease.

        Raises:
            LeaseLostError: somebody may have it.
        """
        if self._clock() - self._renewed > RENEW_DEADLINE:
            raise LeaseLostError(f"{self._identity} has lost the Lease {NAME}")

    async def release(self) -> None:
        """Let the next one in without waiting, if the Lease is ours.

        It is read anew: a renewal that was cut off may have been carried out.
        """
        if not self.acquired.is_set():
            return
        self._renewed = float("-inf")
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                found = await self._client.request("GET", f"{self._path}/{NAME}")
                if found["spec"].get("holderIdentity") == self._identity:
                    await self._put(found, holder="")
        except (ApiError, *UNREACHABLE) as error:
            log.warning("Lease %s is not released: %s", NAME, error or type(error).__name__)

    async def _renew(self) -> bool:
        """Return whether the Lease is ours now."""
        try:
            if self._stored is None:
                found = await self._client.request("GET", f"{self._path}/{NAME}")
                if not self._is_free(found):
                    return self._is_not_ours()
                self._stored = found
            self._stored = await self._put(self._stored, holder=self._identity)
        except ApiError as error:
            if error.status == 409:  # somebody else was faster
                self._stored = None
                return False
            if error.status != 404:
                raise
            self._stored = await self._create()
        return True

    def _is_not_ours(self) -> bool:
        if self.acquired.is_set():
            self._renewed = float("-inf")
        return False

    def _is_free(self, lease: JSON) -> bool:
        spec = lease["spec"]
        if spec.get("holderIdentity", "") in ("", self._identity):
            return True
        version = lease["metadata"]["resourceVersion"]
        if self._seen[0] != version:
            self._seen = version, self._clock()
        duration: int = spec.get("leaseDurationSeconds", DURATION)
        return self._clock() - self._seen[1] > duration

    async def _create(self) -> JSON:
        metadata = {"name": NAME, "namespace": self._namespace}
        lease: JSON = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": metadata,
        }
        return await self._client.request(
            "POST", self._path, {**lease, "spec": self._spec({}, self._identity)}
        )

    async def _put(self, lease: JSON, holder: str) -> JSON:
        """Write the version we know, so that of two who try only one succeeds."""
        body = {**lease, "spec": self._spec(lease["spec"], holder)}
        return await self._client.request("PUT", f"{self._path}/{NAME}", body)

    def _spec(self, before: JSON, holder: str) -> JSON:
        now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        same = before.get("holderIdentity") == holder
        transitions = before.get("leaseTransitions", 0)
        return {
            "holderIdentity": holder,
            "leaseDurationSeconds": DURATION,
            "acquireTime": before.get("acquireTime", now) if same else now,
            "renewTime": now,
            "leaseTransitions": transitions if same else min(transitions + 1, MOST_TRANSITIONS),
        }
