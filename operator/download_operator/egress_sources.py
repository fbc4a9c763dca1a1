"""Learn what the egress of downloads depends on: labels of namespaces, endpoints of the API server.

Downloads are kept from the API server even where an allowance covers it. Its addresses come from
its own EndpointSlice, so that nobody has to configure them (docs/design/2026-11-egress.md).
"""

import asyncio
import logging
import os
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from itertools import islice
from typing import Final

from download_kube import paths
from download_kube.client import KubeClient
from download_kube.errors import ApiError, UnreachableError, UnreadableError
from download_kube.paths import ALL_NAMESPACES
from download_kube.reflector import Reflector
from download_operator.cache.egress import MAX_ENDPOINTS, EgressCache
from download_operator.cache.namespaces import Namespace, decode_namespace
from download_operator.pod_egress import EgressRules, Endpoint
from download_schedule.types import JSONObject

log = logging.getLogger(__name__)

ENDPOINTS: Final = f"{paths.collection(paths.DISCOVERY, 'default', 'endpointslices')}/kubernetes"
"""The EndpointSlice that the API servers themselves keep."""
REFRESH_SECONDS: Final = 600.0
"""How often the endpoints are read again: machines of the control plane are replaced."""
RETRY_SECONDS: Final = 5.0
_REFUSALS: Final = frozenset({403, 404})
"""Statuses that another attempt would get, too."""


class EgressSources:
    """Fills the cache, and keeps it up to date.

    Args:
        client: connection to the API server.
        cache: takes what is learnt.
        rules: namespaces are watched only if a rule asks for their labels, which needs a right.

    Attributes:
        reflectors: the watch of namespaces, if there is one.
    """

    def __init__(self, client: KubeClient, cache: EgressCache, rules: EgressRules) -> None:
        self.reflectors: tuple[Reflector[Namespace], ...] = ()
        self._client = client
        self._cache = cache
        self._has_endpoints = asyncio.Event()
        self._service = tuple(service_endpoints(os.environ))
        if rules.label_names:
            path = paths.collection(paths.CORE, ALL_NAMESPACES, "namespaces")
            reflector = Reflector(
                client,
                path,
                "",
                decode_namespace,
                cache.put_namespace,
                cache.remove_namespace,
                cache.namespaces,
                metadata_only=True,
            )
            self.reflectors = (reflector,)

    async def run(self) -> None:
        """Learn until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for reflector in self.reflectors:
                tasks.create_task(reflector.run())
            tasks.create_task(self._read_endpoints())

    async def wait_until_known(self) -> None:
        """Wait until everything is known that can be. Until then, CronJobs could be too open."""
        await self._has_endpoints.wait()
        for reflector in self.reflectors:
            await reflector.synced.wait()

    async def _read_endpoints(self) -> None:
        self._cache.add_api_server(self._service)
        while True:
            pause = await self._read_endpoints_once()
            await asyncio.sleep(pause)

    async def _read_endpoints_once(self) -> float:
        """Read the endpoints; return the seconds until the next time."""
        try:
            endpoint_slice = await self._client.request("GET", ENDPOINTS)
        except (ApiError, UnreachableError) as error:
            is_refused = isinstance(error, ApiError) and error.status in _REFUSALS
            pause = REFRESH_SECONDS if is_refused else RETRY_SECONDS
            log.warning(
                "cannot read the API server's endpoints, trying again in %.0f s: %s", pause, error
            )
            if is_refused or isinstance(error, UnreadableError):
                self._has_endpoints.set()  # nobody's downloads may have to wait for that
            return pause
        self._cache.add_api_server((*self._service, *parse_endpoints(endpoint_slice)))
        self._has_endpoints.set()
        return REFRESH_SECONDS


def service_endpoints(environment: Mapping[str, str]) -> Iterator[Endpoint]:
    """Yield the address of the API server's Service, which the kubelet gives every Pod.

    Some clouds put a name there instead.
    """
    address = environment.get("KUBERNETES_SERVICE_HOST", "")
    if _is_address(address):
        yield Endpoint(address)


def parse_endpoints(endpoint_slice: JSONObject) -> Iterator[Endpoint]:
    """Return the first endpoints in an EndpointSlice, as many as can be denied.

    The port belongs to them: on a cluster of one node, other programs listen at that address.
    """
    ports = [item["port"] for item in endpoint_slice.get("ports") or () if item.get("port")]
    endpoints = (
        Endpoint(address, port)
        for item in endpoint_slice.get("endpoints") or ()
        for address in filter(_is_address, item.get("addresses") or ())
        for port in ports
    )
    return islice(endpoints, MAX_ENDPOINTS - 1)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
