"""Free ports on loopback."""

import socket


def free_ports(count: int, address: str = "127.0.0.1") -> list[int]:
    """Return ports that no process listens on at the moment."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for unused in sockets:
            unused.bind((address, 0))
        return [unused.getsockname()[1] for unused in sockets]
    finally:
        for unused in sockets:
            unused.close()
