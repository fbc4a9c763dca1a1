"""Free ports, where tests look for them."""

from tools.cluster.ports import free_ports

__all__ = ["free_ports"]
