"""Free ports on loopback."""

import random
import socket
from contextlib import suppress

PORTS = range(20_000, 30_000)
"""Below Linux's range for connections (32768 and up), above well-known ports and the kubelet's, and
clear of NodePorts (30000 to 32767): nobody else takes one between its choice and its use."""


def free_ports(count: int, address: str = "127.0.0.1") -> list[int]:
    """Return ports that no process listens on at the moment.

    They are chosen at random, so that processes that choose at the same time choose others.

    Raises:
        OSError: fewer than *count* are free.
    """
    free: list[int] = []
    for port in random.SystemRandom().sample(PORTS, len(PORTS)):
        with suppress(OSError), socket.create_server((address, port)):
            free.append(port)
        if len(free) == count:
            return free
    raise OSError(
        f"fewer than {count} of the ports {PORTS[0]} to {PORTS[-1]} of {address} are free"
    )
