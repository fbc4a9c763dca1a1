"""A cluster of processes on this machine, in namespaces of its own."""

import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tools.cache import CACHE
from tools.cluster import cgroups, control_plane, host, processes, supervisor
from tools.cluster.node import add_node, load_image
from tools.cluster.paths import Layout, from_json
from tools.cluster.processes import ComponentError

CLUSTERS = CACHE / "clusters"
GONE_SECONDS = 120.0

_pipes: dict[str, int] = {}
"""The writing ends of the pipes that tie clusters to this process. They are never written to."""


@dataclass(frozen=True)
class LocalCluster:
    """A cluster that is up."""

    name: str
    kubeconfig: Path
    layout: Layout
    mode: str = "local"

    def load(self, *archives: Path) -> None:
        """Load images, as `docker save` writes them, onto the node."""
        for path in archives:
            load_image(self.layout, path)

    def restart(self, component: str) -> None:
        """Kill a component with SIGKILL, start it again, and wait until the API server is ready."""
        supervisor.ask(self.layout.socket, {"do": "restart", "name": component})
        processes.wait_for_api_server(self.layout)

    def signal(self, component: str, number: int) -> None:
        """Send a signal to a component."""
        request = {"do": "signal", "name": component, "number": number}
        supervisor.ask(self.layout.socket, request)

    def inside(self, *command: str) -> str:
        """Run a command in the cluster's namespaces and return its output.

        Raises:
            ComponentError: It failed.
        """
        return processes.run_inside(self.layout, *command)

    def check(self) -> None:
        """Raise ComponentError if a component has died."""
        processes.check(self.layout)

    def down(self) -> None:
        """Remove every trace of it."""
        down(self.name)


def up(name: str, *, node: bool, owned: bool = False) -> LocalCluster:
    """Return the cluster of that name. Create it, or the parts of it that are missing.

    A cluster whose creation was interrupted is removed and created again.

    Args:
        name: Small letters, digits and hyphens.
        node: Whether Pods can run in it. Needs Linux and root.
        owned: Whether a new cluster removes itself when this process ends, however it ends.

    Raises:
        ToolError: The reason why there is no cluster.
    """
    if node and not host.is_root():
        raise host.MissingError("a node needs root: use sudo, or a Docker engine (CLUSTER=kind)")
    folder = CLUSTERS / name
    if _is_alive(folder) and not _unfinished(folder).exists():
        layout = _read_layout(folder)
        host.reach_directly(layout.address)
        processes.restart_dead(layout)
    else:
        down(name)
        with _marked_as_unfinished(folder):
            layout = _create(name, folder, owned)
    if node and not (folder / "node").exists():
        _add_node(layout)
    return LocalCluster(name, layout.kubeconfig, layout)


@contextmanager
def temporary(name: str, *, node: bool) -> Iterator[LocalCluster]:
    """Have a cluster until the block ends, or this process, however it ends.

    Raises:
        ToolError: The reason why there is no cluster.
    """
    try:
        yield up(name, node=node, owned=True)
    finally:
        down(name)


def down(name: str) -> bool:
    """Remove every trace of a cluster. Return whether there was one."""
    folder = CLUSTERS / name
    if not folder.exists():
        return False
    if _is_alive(folder):
        supervisor.ask(folder / "supervisor.sock", {"do": "stop"})
        _wait_until_gone(folder)
    else:
        _kill_unfinished(folder)
    if (folder / "layout.json").exists():
        cgroups.remove(_read_layout(folder))
    shutil.rmtree(folder)
    if name in _pipes:
        os.close(_pipes.pop(name))
    return True


def status(name: str) -> dict[str, str]:
    """Return the state of each component, `running` or `exited with N`. Empty: no such cluster."""
    folder = CLUSTERS / name
    if not _is_alive(folder):
        return {}
    listed = supervisor.ask(folder / "supervisor.sock", {"do": "list"})
    return {
        component: "running" if process["exit"] is None else f"exited with {process['exit']}"
        for component, process in listed.items()
    }


def _create(name: str, folder: Path, owned: bool) -> Layout:
    if not owned:
        return control_plane.create(name, folder, owner=None)
    reading, _pipes[name] = os.pipe()
    try:
        return control_plane.create(name, folder, owner=reading)
    finally:
        os.close(reading)


def _add_node(layout: Layout) -> None:
    with _marked_as_unfinished(layout.folder):
        add_node(layout)
    (layout.folder / "node").touch()


def _unfinished(folder: Path) -> Path:
    return folder / "unfinished"


@contextmanager
def _marked_as_unfinished(folder: Path) -> Iterator[None]:
    """Leave a mark in *folder* if the block is interrupted."""
    folder.mkdir(parents=True, exist_ok=True)
    _unfinished(folder).touch()
    yield
    _unfinished(folder).unlink()


def _read_layout(folder: Path) -> Layout:
    return from_json(folder, (folder / "layout.json").read_text())


def _is_alive(folder: Path) -> bool:
    """Return whether the supervisor responds and got far enough to have a layout."""
    if not (folder / "layout.json").exists():
        return False
    try:
        supervisor.ask(folder / "supervisor.sock", {"do": "list"}, timeout=10)
    except OSError:
        return False
    return True


def _kill_unfinished(folder: Path) -> None:
    """Kill a supervisor whose start was interrupted."""
    pid = folder / "pid"
    if pid.exists() and Path(f"/proc/{pid.read_text()}/cmdline").exists():
        command = Path(f"/proc/{pid.read_text()}/cmdline").read_text()
        if str(folder / "supervisor.sock") in command:
            os.killpg(int(pid.read_text()), signal.SIGKILL)


def _wait_until_gone(folder: Path) -> None:
    process = Path("/proc") / (folder / "pid").read_text() / "cmdline"
    end = time.monotonic() + GONE_SECONDS
    while process.exists() and process.read_bytes():  # Empty: a zombie that nobody waits for.
        if time.monotonic() > end:
            raise ComponentError(f"{process.parent} does not end")
        time.sleep(0.05)
