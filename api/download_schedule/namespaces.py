"""The namespaces whose schedules an installation serves. Pure."""

from dataclasses import dataclass
from typing import Final

KUBERNETES_PREFIX: Final = "kube-"
"""How the names of Kubernetes' own namespaces begin. It reserves the prefix for them."""


@dataclass(frozen=True)
class ServedNamespaces:
    """Which namespaces are served: the listed ones, or all but system namespaces if none is listed.

    System namespaces are those of Kubernetes and that of the installation. Who has their Secrets
    controls the cluster, or every schedule in it.
    """

    listed: tuple[str, ...] = ()
    """Namespaces to serve, system namespaces included. Empty: all but system namespaces."""
    release: str = ""
    """Namespace of the installation. Empty outside of a cluster."""
    allowed: tuple[str, ...] = ()
    """System namespaces that are served although they are not listed."""

    def refusal(self, namespace: str) -> str:
        """Return why schedules of *namespace* are refused and what to write; empty if served."""
        if namespace in self.listed:
            return ""
        if self.listed:
            return (
                f"the namespace {namespace} is not served; use one that is, such as "
                f"{self.listed[0]}, or have an administrator add it to the namespaces of the chart"
            )
        if not self._is_system(namespace) or namespace in self.allowed:
            return ""
        owner = "Kubernetes" if namespace != self.release else "download-operator"
        return (
            f"schedules in the namespace {namespace} of {owner} itself are refused; use another "
            "namespace, or have an administrator add it to operator.systemNamespaces of the chart"
        )

    def is_readable(self, namespace: str) -> bool:
        """Return whether the schedules in *namespace* may be read, even if new ones are refused."""
        return not self.listed or namespace in self.listed

    def _is_system(self, namespace: str) -> bool:
        return namespace.startswith(KUBERNETES_PREFIX) or namespace == self.release
