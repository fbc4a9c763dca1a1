"""Logins with a kubeconfig for clients in the test's own process, and kubeconfigs for a proxy."""

import os
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import kopf
import yaml

from download_kube.login import login


def login_by(kubeconfig: Path) -> Callable[[], kopf.ConnectionInfo]:
    """Return a login function that uses this file."""

    def logged_in() -> kopf.ConnectionInfo:
        with patch.dict(os.environ, KUBECONFIG=str(kubeconfig)):
            return login()

    return logged_in


def detour_of(kubeconfig: Path, port: int, folder: Path) -> Path:
    """Write a kubeconfig that leads to *port* of the loopback without TLS, and return its path."""
    content = yaml.safe_load(kubeconfig.read_text())
    for cluster in content["clusters"]:
        cluster["cluster"] = {"server": f"http://127.0.0.1:{port}"}
    path = folder / "detour"
    path.write_text(yaml.safe_dump(content))
    return path
