"""The link between the machine and a cluster's namespaces, and the cluster's own bridge."""

import json
import subprocess

from tools.cluster.host import require_program
from tools.cluster.paths import NODE_ADDRESS
from tools.errors import ToolError

PREFIX = "10.201"
"""Each link has a network of four addresses below it. Its third number is the link's."""
LINK_PREFIX = "dlo"


def free_number() -> int:
    """Return the lowest number from 1 to 250 that no link uses.

    Raises:
        ToolError: All are in use.
    """
    ip = require_program("ip", "iproute2")
    shown = subprocess.run([ip, "-json", "link"], capture_output=True, text=True, check=True)
    used = {link["ifname"] for link in json.loads(shown.stdout)}
    for number in range(1, 251):
        if f"{LINK_PREFIX}{number}" not in used:
            return number
    raise ToolError("250 clusters are up: remove one")


def outer_address(number: int) -> str:
    """Return the address of the machine's end of a link."""
    return f"{PREFIX}.{number}.1"


def inner_address(number: int) -> str:
    """Return the address of the cluster's end of a link."""
    return f"{PREFIX}.{number}.2"


def connect(number: int, pid: int) -> None:
    """Link the machine to the network namespace of a process. The link ends with the namespace."""
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
