"""What the health port responds."""

import socket

import httpx
import pytest

from download_operator.health import PortError, serve_health
from tests.support.operator_parts import Parts, run_with_parts
from tools.cluster.ports import free_ports


def test_health_port_serves_health_and_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    (port,) = free_ports(1)
    reasons = iter(["", "a reconcile has not ended for 121 s"])

    async def test(parts: Parts) -> None:
        monkeypatch.setattr(type(parts.monitor), "unhealthy_reason", lambda _: next(reasons))
        url = f"http://127.0.0.1:{port}"
        async with serve_health(parts.monitor, port), httpx.AsyncClient() as client:
            healthy, unhealthy = (
                await client.get(f"{url}/healthz"),
                await client.get(f"{url}/healthz"),
            )
            metrics = await client.get(f"{url}/metrics")
        assert (healthy.status_code, healthy.text) == (200, "ok\n")
        assert (unhealthy.status_code, unhealthy.text) == (
            503,
            "a reconcile has not ended for 121 s\n",
        )
        assert metrics.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert "download_operator_leader 0.0\n" in metrics.text

    run_with_parts(test)


def test_port_in_use_is_refused_with_its_number() -> None:
    async def test(parts: Parts) -> None:
        with socket.create_server(("", 0)) as server:
            port = server.getsockname()[1]
            with pytest.raises(PortError, match=f"{port} cannot be opened"):
                async with serve_health(parts.monitor, port):
                    pass

    run_with_parts(test)


def test_port_0_is_not_opened() -> None:
    async def test(parts: Parts) -> None:
        async with serve_health(parts.monitor, 0):
            pass

    run_with_parts(test)
