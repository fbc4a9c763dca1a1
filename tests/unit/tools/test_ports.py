"""Ports for the servers of a test."""

import socket
from pathlib import Path

import pytest

from tools.cluster import ports
from tools.cluster.ports import PORTS, free_ports


def test_no_connection_takes_a_port_between_its_choice_and_its_use() -> None:
    first, last = map(
        int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()
    )
    assert not set(PORTS) & set(range(first, last + 1))


def test_ports_are_free_and_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        monkeypatch.setattr(ports, "PORTS", range(port, port + 1))
        with pytest.raises(OSError, match=f"fewer than 1 of the ports {port} to {port}"):
            free_ports(1)
    assert free_ports(1) == [port]
    monkeypatch.undo()
    assert len(set(free_ports(20))) == 20
