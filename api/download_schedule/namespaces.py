"""The namespaces whose schedules an installation serves. Pure."""

from dataclasses import dataclass
from typing import Final

KUBERNETES_PREFIX: Final = "kube-"
"""How the names of Kubernetes' own namespaces begin. It reserves the prefix for them."""


@dataclass(frozen=True)
class ServedNamespaces:
    """Which namespaces are served: those that are listed, otherwise all but system namespaces.

    System namespaces are those of Kubernetes and that of the installation. Their Secrets are worth
    the cluster, or every schedule in it.
    """

    listed: tuple[str, ...] = ()
    """Namespaces to serve, of any kind; empty for all others, too."""
    release: str = ""
    """Namespace of the installation; empty if there is none."""
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
        """Return whether schedules of *namespace* can be read: of a refused one, if it exists."""
        return not self.listed or namespace in self.listed

    def _is_system(self, namespace: str) -> bool:
        return namespace.startswith(KUBERNETES_PREFIX) or namespace == self.release
