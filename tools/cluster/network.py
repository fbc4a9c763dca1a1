"""The wire between the machine and a cluster's namespaces, and the cluster's own bridge."""

import json
import subprocess

from tools.cluster.host import require_program
from tools.cluster.paths import NODE_ADDRESS

PREFIX = "10.201"
"""Each wire has a network of four addresses of its own below it, told apart by the third number."""
LINK_PREFIX = "dlo"


def free_number() -> int:
    """The lowest number from 1 to 250 that no wire uses yet.

    Raises:
        RuntimeError: All are in use.
    """
    ip = require_program("ip", "iproute2")
    shown = subprocess.run([ip, "-json", "link"], capture_output=True, text=True, check=True)
    used = {link["ifname"] for link in json.loads(shown.stdout)}
    for number in range(1, 251):
        if f"{LINK_PREFIX}{number}" not in used:
            return number
    raise RuntimeError("250 clusters are up: take one down")


def outer_address(number: int) -> str:
    """The machine's end of a wire."""
    return f"{PREFIX}.{number}.1"


def inner_address(number: int) -> str:
    """The cluster's end of a wire."""
    return f"{PREFIX}.{number}.2"


def connect(number: int, pid: int) -> None:
    """Lay the wire to the network namespace of the process `pid`; it goes when that one goes."""
    ip, link = require_program("ip", "iproute2"), f"{LINK_PREFIX}{number}"
    inside = ["nsenter", f"--target={pid}", "--net", ip]
    for command in (
        [ip, "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", str(pid)],
        [ip, "address", "add", f"{outer_address(number)}/30", "dev", link],
        [ip, "link", "set", link, "up"],
        [*inside, "link", "set", "lo", "up"],
        [*inside, "address", "add", f"{inner_address(number)}/30", "dev", "eth0"],
        [*inside, "link", "set", "eth0", "up"],
        [*inside, "route", "add", "default", "via", outer_address(number)],
        [*inside, "link", "add", "br0", "type", "bridge"],
        [*inside, "address", "add", f"{NODE_ADDRESS}/24", "dev", "br0"],
        [*inside, "link", "set", "br0", "up"],
    ):
        subprocess.run(command, check=True, capture_output=True)
