"""What a kubeconfig says, for clients in a test's own process, and another that says the same."""

import os
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import kopf
import yaml

from download_kube.login import login


def login_by(kubeconfig: Path) -> Callable[[], kopf.ConnectionInfo]:
    """Return the operator's login with this file."""

    def logged_in() -> kopf.ConnectionInfo:
        with patch.dict(os.environ, KUBECONFIG=str(kubeconfig)):
            return login()

    return logged_in


def detour_of(kubeconfig: Path, port: int, folder: Path) -> Path:
    """Return a kubeconfig that leads through *port* of the loopback, where there is no TLS."""
    content = yaml.safe_load(kubeconfig.read_text())
    for cluster in content["clusters"]:
        cluster["cluster"] = {"server": f"http://127.0.0.1:{port}"}
    path = folder / "detour"
    path.write_text(yaml.safe_dump(content))
    return path
