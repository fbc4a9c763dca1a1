"""Leader election by a Lease of ``coordination.k8s.io/v1``: one replica writes, others stand by.

The rules are those of client-go's leader election. A replica that has seen the Lease unrenewed for
its whole duration may take it. It judges by its own clock alone, because the clocks of two machines
cannot be compared. Our addition is :meth:`Lease.check`, which guards every write (see
docs/design/2026-11-one-writer.md).
"""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from download_kube.client import KubeClient
from download_kube.errors import ApiError, UnreachableError
from download_kube.paths import LEASES, collection
from download_schedule.types import JSONObject

log = logging.getLogger(__name__)

NAME: Final = "download-operator"
DURATION_SECONDS: Final = 10
"""Other replicas may take a Lease that was not renewed for so long."""
RENEW_DEADLINE_SECONDS: Final = 7.0
"""The holder stops writing so long after it sent its last successful renewal."""
RETRY_SECONDS: Final = 2.0
"""Pause between renewals, and between looks at a Lease that another replica holds."""
MAX_TRANSITIONS: Final = 2**31 - 1
"""Largest value that the API server accepts; with a larger one nobody could take the Lease."""
REQUEST_TIMEOUT_SECONDS: Final = 4.0
"""Short enough that after one failed request there is time for another before the deadline."""

_REQUEST_ERRORS: Final = (ApiError, UnreachableError, TimeoutError)


class LeaseLostError(Exception):
    """The Lease is no longer ours: the process must end without another write."""


def boot_seconds() -> float:
    """Return a monotonic time in seconds that also advances while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Lease:
    """The right to write.

    Args:
        client: connection to the API server.
        namespace: of the Lease.
        identity: name of this replica. A restarted process with the same name need not wait.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        client: KubeClient,
        namespace: str,
        identity: str,
        clock: Callable[[], float] = boot_seconds,
    ) -> None:
        self.acquired = asyncio.Event()
        """Set once the Lease has been ours."""
        self._client = client
        self._path = collection(LEASES, namespace, "leases")
        self._namespace = namespace
        self._identity = identity
        self._clock = clock
        self._renewed_at = float("-inf")
        self._stored: JSONObject | None = None
        self._seen: tuple[str, float] = ("", 0.0)
        """Version of another replica's Lease, and when we first saw that version."""

    async def hold(self) -> None:
        """Acquire the Lease and renew it until cancelled.

        Raises:
            LeaseLostError: it was ours, and could not be renewed in time or was taken.
        """
        while True:
            sent_at = self._clock()
            try:
                async with asyncio.timeout(REQUEST_TIMEOUT_SECONDS):
                    renewed = await self._renew()
            except _REQUEST_ERRORS as error:
                self._stored = None
                log.warning("Lease %s: %s", NAME, error or type(error).__name__)
            else:
                if renewed:
                    self._renewed_at = sent_at
                    self.acquired.set()
            if self.acquired.is_set():
                self.check()
            await asyncio.sleep(RETRY_SECONDS)

    def check(self) -> None:
        """Return only if no other replica can hold the Lease now.

        Raises:
            LeaseLostError: another replica may hold it.
        """
        if self._clock() - self._renewed_at > RENEW_DEADLINE_SECONDS:
            raise LeaseLostError(f"{self._identity} has lost the Lease {NAME}")

    async def release(self) -> None:
        """Give the Lease back if it is ours, so that the next replica need not wait.

        The Lease is read again first, because a renewal whose response was lost may have succeeded.
        """
        if not self.acquired.is_set():
            return
        self._renewed_at = float("-inf")
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT_SECONDS):
                lease = await self._client.request("GET", f"{self._path}/{NAME}")
                if lease["spec"].get("holderIdentity") == self._identity:
                    await self._put(lease, holder="")
        except _REQUEST_ERRORS as error:
            log.warning("Lease %s was not released: %s", NAME, error or type(error).__name__)

    async def _renew(self) -> bool:
        """Return whether the Lease is ours now."""
        try:
            if self._stored is None:
                lease = await self._client.request("GET", f"{self._path}/{NAME}")
                if not self._is_free(lease):
                    self._renewed_at = float("-inf")  # another replica holds it now
                    return False
                self._stored = lease
            self._stored = await self._put(self._stored, holder=self._identity)
        except ApiError as error:
            if error.is_conflict:  # another replica was faster
                self._stored = None
                return False
            if not error.is_not_found:
                raise
            self._stored = await self._create()
        return True

    def _is_free(self, lease: JSONObject) -> bool:
        spec = lease["spec"]
        if spec.get("holderIdentity", "") in ("", self._identity):
            return True
        version = lease["metadata"]["resourceVersion"]
        if self._seen[0] != version:
            self._seen = version, self._clock()
        duration: int = spec.get("leaseDurationSeconds", DURATION_SECONDS)
        return self._clock() - self._seen[1] > duration

    async def _create(self) -> JSONObject:
        metadata = {"name": NAME, "namespace": self._namespace}
        lease: JSONObject = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": metadata,
        }
        return await self._client.request(
            "POST", self._path, {**lease, "spec": self._spec({}, self._identity)}
        )

    async def _put(self, lease: JSONObject, holder: str) -> JSONObject:
        """Write over the version that we read, so that of two replicas only one succeeds."""
        body = {**lease, "spec": self._spec(lease["spec"], holder)}
        return await self._client.request("PUT", f"{self._path}/{NAME}", body)

    def _spec(self, before: JSONObject, holder: str) -> JSONObject:
        now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        same = before.get("holderIdentity") == holder
        transitions = before.get("leaseTransitions", 0)
        return {
            "holderIdentity": holder,
            "leaseDurationSeconds": DURATION_SECONDS,
            "acquireTime": before.get("acquireTime", now) if same else now,
            "renewTime": now,
            "leaseTransitions": transitions if same else min(transitions + 1, MAX_TRANSITIONS),
        }
