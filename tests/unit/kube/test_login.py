"""Where a Pod finds the API server; the integration tests log in by kubeconfigs."""

import kopf
import pytest

from download_kube import login

NAMED = kopf.ConnectionInfo(server="https://kubernetes.default.svc", token="t")


@pytest.mark.parametrize(
    ("host", "port", "server"),
    [
        ("10.96.0.1", "443", "https://10.96.0.1"),
        ("fd00::1", "6443", "https://[fd00::1]:6443"),
        ("api.example.com", "443", "https://api.example.com"),
        ("", "443", NAMED.server),
    ],
)
def test_a_pod_asks_no_dns_for_the_api_server(
    monkeypatch: pytest.MonkeyPatch, host: str, port: str, server: str
) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)
    found = login._with_address(NAMED)
    assert (found.server, found.token) == (server, "t")
