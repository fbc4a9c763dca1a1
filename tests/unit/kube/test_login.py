"""Where a Pod finds the API server; the integration tests log in with kubeconfigs."""

import kopf
import pytest

from download_kube import login

BY_NAME = kopf.ConnectionInfo(server="https://kubernetes.default.svc", token="t")


@pytest.mark.parametrize(
    ("host", "port", "server"),
    [
        ("10.96.0.1", "443", "https://10.96.0.1"),
        ("fd00::1", "6443", "https://[fd00::1]:6443"),
        ("api.example.com", "443", "https://api.example.com"),
        ("", "443", BY_NAME.server),
    ],
)
def test_pod_finds_the_api_server_without_dns(
    monkeypatch: pytest.MonkeyPatch, host: str, port: str, server: str
) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)

    account = login._with_address(BY_NAME)

    assert (account.server, account.token) == (server, "t")
