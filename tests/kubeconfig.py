"""What a kubeconfig says, for clients in a test's own process."""

from pathlib import Path

from kubernetes.aio import config
from kubernetes.aio.client import Configuration


async def configuration_of(kubeconfig: Path) -> Configuration:
    """Read it."""
    configuration = Configuration()
    await config.load_kube_config(str(kubeconfig), client_configuration=configuration)
    return configuration
