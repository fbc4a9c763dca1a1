"""A server that cannot start says why, and exits with 2."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

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
    ended = subprocess.run(
        [sys.executable, "-m", module],
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return ended.returncode, ended.stderr


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
        "no YAML",
        "no mapping",
        "no such context",
        "no authority",
        "no certificate",
    ],
)
def test_without_a_good_kubeconfig(tmp_path: Path, module: str, text: str | None) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    if text is not None:
        kubeconfig.write_text(text)
    code, said = start(module, kubeconfig)
    assert code == 2
    assert "\nno cluster: " in f"\n{said}"
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("module", "variable"),
    [
        ("download_operator", "DOWNLOAD_OPERATOR_HEALTH_PORT"),
        ("download_api", "DOWNLOAD_API_METRICS_PORT"),
        ("download_api", "DOWNLOAD_API_PORT"),
    ],
)
def test_without_a_port_of_its_own(tmp_path: Path, module: str, variable: str) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(KUBECONFIG)
    with socket.create_server(("", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, said = start(module, kubeconfig, **{variable: port})
    assert code == 2
    assert f"\n{variable}: {port} cannot be " in f"\n{said}"
    assert "Traceback" not in said
