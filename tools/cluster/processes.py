"""Start the components of a local cluster, wait for them, and notice when one has died."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tools.cluster import binaries, components, host, supervisor
from tools.cluster.paths import Layout
from tools.errors import ToolError

READY_SECONDS = 120.0
LOG_LINES = 15


class ComponentError(ToolError):
    """A component died or was not ready in time. The message names it and ends with its log."""


def start(component: str, layout: Layout, programs: components.Programs) -> None:
    """Start a component of the cluster."""
    spec = {
        "argv": components.argv(component, layout, programs),
        "log": str(layout.log(component)),
        "environment": {"PATH": f"{programs[component].parent}:{os.environ['PATH']}"},
    }
    supervisor.ask(layout.socket, {"do": "start", "name": component, "spec": spec})


def restart_dead(layout: Layout) -> None:
    """Start again what has died, and wait until the API server is ready."""
    listed = supervisor.ask(layout.socket, {"do": "list"})
    for component, process in listed.items():
        if process["exit"] is not None:
            host.say(f"{component} had died, starting it again")
            supervisor.ask(layout.socket, {"do": "restart", "name": component})
    wait_for_api_server(layout)


def wait_for_api_server(layout: Layout) -> None:
    """Wait until the API server is ready.

    Raises:
        ComponentError: It is not ready in time.
    """
    wait("kube-apiserver", lambda: kubectl_succeeds(layout, "get", "--raw=/readyz"), layout)


def wait(what: str, is_ready: Callable[[], bool], layout: Layout | None) -> None:
    """Wait until *is_ready* returns true while all components are alive.

    Raises:
        ComponentError: A component died, or the time is over.
    """
    end = time.monotonic() + READY_SECONDS
    while not is_ready():
        if layout:
            check(layout)
        if time.monotonic() > end:
            hint = f"; see {layout.folder / 'logs'}" if layout else ""
            raise ComponentError(f"{what} is not ready after {READY_SECONDS:.0f} s{hint}")
        time.sleep(0.1)


def check(layout: Layout) -> None:
    """Raise ComponentError if a component has died."""
    listed = supervisor.ask(layout.socket, {"do": "list"})
    for component, process in listed.items():
        if process["exit"] is not None:
            end = Path(process["log"]).read_text(errors="replace").splitlines()[-LOG_LINES:]
            raise ComponentError(
                f"{component} died (exit code {process['exit']}); the end of its log:\n"
                + "\n".join(end)
            )


def run_inside(layout: Layout, *argv: str) -> str:
    """Run a command in the namespaces of the cluster and return its output.

    Raises:
        ComponentError: It failed.
    """
    done = supervisor.ask(layout.socket, {"do": "run", "argv": list(argv)}, timeout=600)
    if done["code"]:
        raise ComponentError(f"{' '.join(argv)}: {done['output'].strip()}")
    output: str = done["output"]
    return output


def kubectl(layout: Layout, *arguments: str, stdin: str | None = None) -> str:
    """Run kubectl as the administrator and return its output.

    Raises:
        subprocess.CalledProcessError: It failed.
    """
    program = binaries.ensure("kubectl")["kubectl"]
    return subprocess.run(
        [program, f"--kubeconfig={layout.kubeconfig}", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def kubectl_succeeds(layout: Layout, *arguments: str) -> bool:
    """Return whether kubectl succeeds within two seconds."""
    try:
        kubectl(layout, "--request-timeout=2s", *arguments)
    except subprocess.CalledProcessError:
        return False
    return True


@contextmanager
def step(name: str) -> Iterator[None]:
    """Report when the block has ended, and how long it took."""
    started = time.monotonic()
    yield
    host.say(f"{name} ready ({time.monotonic() - started:.1f} s)")
