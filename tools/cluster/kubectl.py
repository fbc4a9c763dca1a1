"""kubectl as the demo, the tests and people's shells call it."""

import json
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tools.errors import ToolError

T = TypeVar("T")


class RefusedError(ToolError):
    """kubectl failed. The message is its error output."""


class NotSeenError(ToolError):
    """What was waited for did not happen in time."""


@dataclass(frozen=True)
class Kubectl:
    """kubectl for one cluster and one namespace."""

    program: Path
    kubeconfig: Path
    namespace: str = "default"
    """Empty: that of each manifest. kubectl refuses a manifest with another namespace."""

    def within(self, namespace: str) -> "Kubectl":
        """Return kubectl for another namespace of the same cluster."""
        return Kubectl(self.program, self.kubeconfig, namespace)

    def __call__(self, *arguments: str, stdin: str | None = None, timeout: float = 60) -> str:
        """Run kubectl and return its standard output.

        Raises:
            RefusedError: It did not end with 0, or not within *timeout* seconds.
        """
        cluster = [f"--kubeconfig={self.kubeconfig}"]
        if self.namespace:
            cluster.append(f"--namespace={self.namespace}")
        try:
            done = subprocess.run(
                [str(self.program), *cluster, *arguments],
                input=stdin,
                capture_output=True,
                text=True,
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            command = " ".join(arguments[:4])
            raise RefusedError(f"kubectl {command} did not end within {timeout:g} s") from error
        if done.returncode:
            raise RefusedError(done.stderr.strip())
        return done.stdout

    def get(self, *arguments: str) -> Any:
        """Return an object as JSON, or None if it does not exist."""
        text = self("get", "--ignore-not-found", "--output=json", *arguments)
        return json.loads(text) if text.strip() else None

    def list(self, *arguments: str) -> list[dict[str, Any]]:
        """Return all objects of some kinds as JSON."""
        response = self.get(*arguments)
        items: list[dict[str, Any]] = response["items"] if response else []
        return items

    def apply(self, *manifests: dict[str, Any]) -> None:
        """Apply manifests. Unknown fields are refused, as is kubectl's default.

        Raises:
            RefusedError: The API server refused one.
        """
        items = {"apiVersion": "v1", "kind": "List", "items": list(manifests)}
        self("apply", "--filename=-", stdin=json.dumps(items))

    def patch(self, kind: str, name: str, patch: dict[str, Any], *arguments: str) -> None:
        """Merge-patch an object."""
        self("patch", kind, name, "--type=merge", f"--patch={json.dumps(patch)}", *arguments)


def wait_for(
    what: str, look: Callable[[], T | None], timeout: float = 90, every: float | None = None
) -> T:
    """Call *look* until it returns something truthy, and return that.

    Most look with kubectl, which takes a tenth of a second of a processor. So the longer the wait,
    the longer the pauses, unless *every* says how many seconds they last.

    Raises:
        NotSeenError: It returned nothing within *timeout* seconds; names what was waited for.
    """
    began = time.monotonic()
    while not (value := look()):
        elapsed = time.monotonic() - began
        if elapsed > timeout:
            raise NotSeenError(f"{what}: not seen within {timeout:g} s; last seen: {value!r}")
        time.sleep(pause_after(elapsed) if every is None else every)
    return value


def pause_after(elapsed: float) -> float:
    """Return how many seconds to pause in a wait that has lasted *elapsed* seconds."""
    return min(max(0.1, elapsed / 10), 1.0)
