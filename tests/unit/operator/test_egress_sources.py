"""Where the API server listens, by its own EndpointSlice and by a Pod's environment."""

import asyncio
from typing import Any

import pytest
from aiohttp import web

from download_kube.client import KubeClient
from download_operator.cache.egress import MAX_ENDPOINTS, EgressCache
from download_operator.egress_sources import EgressSources, parse_endpoints, service_endpoints
from download_operator.pod_egress import EgressRules, Endpoint
from tests.support.fat_objects import NESTED
from tests.support.odd_server import run_with_client


@pytest.mark.parametrize(
    ("environment", "endpoints"),
    [
        ({"KUBERNETES_SERVICE_HOST": "10.96.0.1"}, [Endpoint("10.96.0.1")]),
        ({"KUBERNETES_SERVICE_HOST": "fd00::1"}, [Endpoint("fd00::1")]),
        ({"KUBERNETES_SERVICE_HOST": "api.example.com"}, []),
        ({}, []),
    ],
)
def test_address_of_the_service_is_read(
    environment: dict[str, str], endpoints: list[Endpoint]
) -> None:
    assert list(service_endpoints(environment)) == endpoints


def test_endpoints_have_every_port_of_the_slice() -> None:
    endpoint_slice = {
        "endpoints": [{"addresses": ["10.0.0.5"]}, {"addresses": ["10.0.0.6"]}],
        "ports": [{"name": "https", "port": 6443}],
    }
    assert list(parse_endpoints(endpoint_slice)) == [
        Endpoint("10.0.0.5", 6443),
        Endpoint("10.0.0.6", 6443),
    ]


def test_endpoints_that_somebody_makes_up_are_limited() -> None:
    addresses = [f"10.0.{number // 250}.{number % 250}" for number in range(1000)]
    endpoint_slice = {
        "endpoints": [{"addresses": addresses}] * 1000,
        "ports": [{"port": port} for port in range(1, 101)],
    }
    assert len(list(parse_endpoints(endpoint_slice))) == MAX_ENDPOINTS - 1


@pytest.mark.parametrize(
    "endpoint_slice",
    [
        {},
        {"endpoints": None, "ports": None},
        {"endpoints": [{"addresses": ["10.0.0.5"]}], "ports": []},
        {"endpoints": [{}], "ports": [{"port": 6443}]},
        {"endpoints": [{"addresses": ["api.example.com"]}], "ports": [{"port": 6443}]},
        {"endpoints": [{"addresses": ["10.0.0.5"]}], "ports": [{"name": "https"}]},
    ],
)
def test_slice_without_addresses_or_ports_has_no_endpoint(endpoint_slice: Any) -> None:
    assert list(parse_endpoints(endpoint_slice)) == []


@pytest.mark.parametrize(
    ("status", "text"), [(200, NESTED), (200, "<html>"), (403, "{}"), (404, "{}")]
)
def test_endpoints_that_cannot_be_read_keep_nobody_waiting(status: int, text: str) -> None:
    async def test(client: KubeClient) -> None:
        rules = EgressRules()
        sources = EgressSources(client, EgressCache(rules), rules)
        running = asyncio.create_task(sources.run())
        await asyncio.wait_for(sources.wait_until_known(), 5)
        running.cancel()
        await asyncio.wait([running])

    run_with_client(test, lambda _: web.Response(status=status, text=text))
