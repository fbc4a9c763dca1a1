"""What a kubeconfig says, for clients in a test's own process, and another that says the same."""

from pathlib import Path

import yaml
from kubernetes.aio import config
from kubernetes.aio.client import Configuration


async def configuration_of(kubeconfig: Path) -> Configuration:
    """Read it."""
    configuration = Configuration()
    await config.load_kube_config(str(kubeconfig), client_configuration=configuration)
    return configuration


def detour_of(kubeconfig: Path, port: int, folder: Path) -> Path:
    """Return a kubeconfig that leads through *port* of the loopback, where there is no TLS."""
    content = yaml.safe_load(kubeconfig.read_text())
    for cluster in content["clusters"]:
        cluster["cluster"] = {"server": f"http://127.0.0.1:{port}"}
    path = folder / "detour"
    path.write_text(yaml.safe_dump(content))
    return path
