"""A server that cannot start says why in one line, and exits with 2."""

import os
import socket
from pathlib import Path

import pytest

from tests.support import forked

KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: a
contexts: [{name: a, context: {cluster: a, user: a}}]
clusters: [{name: a, cluster: {server: "https://127.0.0.1:1", insecure-skip-tls-verify: true}}]
users: [{name: a, user: {token: a}}]
"""


def start(module: str, kubeconfig: Path, **settings: str) -> tuple[int, str]:
    settings = {
        "DOWNLOAD_OPERATOR_WORKER_IMAGE": "worker",
        "KUBECONFIG": str(kubeconfig),
        **settings,
    }
    modules = forked.API if module == "download_api" else forked.OPERATOR
    result = forked.run(modules, ["-m", module], env={**os.environ, **settings})
    return result.returncode, result.stderr


@pytest.mark.parametrize("module", ["download_operator", "download_api"])
@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "{",
        '"x"',
        KUBECONFIG.replace("current-context: a", "current-context: b"),
        KUBECONFIG.replace("insecure-skip-tls-verify: true", "certificate-authority-data: eA=="),
        KUBECONFIG.replace("token: a", "client-certificate-data: eA==, client-key-data: eA=="),
    ],
    ids=[
        "absent",
        "empty",
        "not YAML",
        "not a mapping",
        "unknown context",
        "invalid authority",
        "invalid certificate",
    ],
)
def test_missing_or_invalid_kubeconfig_is_an_error(
    tmp_path: Path, module: str, text: str | None
) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    if text is not None:
        kubeconfig.write_text(text)
    code, errors = start(module, kubeconfig)
    assert code == 2
    (line,) = errors.splitlines()
    assert line.startswith("no cluster: ")


@pytest.mark.parametrize(
    ("module", "variable", "message"),
    [
        ("download_operator", "DOWNLOAD_OPERATOR_HEALTH_PORT", "cannot be opened"),
        ("download_api", "DOWNLOAD_API_METRICS_PORT", "cannot be used"),
        ("download_api", "DOWNLOAD_API_PORT", "cannot be used"),
    ],
)
def test_port_that_another_process_uses_is_an_error(
    tmp_path: Path, module: str, variable: str, message: str
) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(KUBECONFIG)
    with socket.create_server(("", 0)) as other:
        port = str(other.getsockname()[1])
        code, errors = start(module, kubeconfig, **{variable: port})
    assert code == 2
    assert f"\n{variable}: {port} {message}: " in f"\n{errors}"
    assert "Traceback" not in errors
