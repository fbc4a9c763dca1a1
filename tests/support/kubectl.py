"""kubectl as tests, the demo and people's shells call it."""

import json
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


class RefusedError(Exception):
    """kubectl ended with an error; the message is what it said."""


@dataclass(frozen=True)
class Kubectl:
    """kubectl bound to one cluster and, optionally, one namespace."""

    program: Path
    kubeconfig: Path
    namespace: str = "default"

    def within(self, namespace: str) -> "Kubectl":
        """The same cluster, another namespace."""
        return Kubectl(self.program, self.kubeconfig, namespace)

    def __call__(self, *arguments: str, stdin: str | None = None, timeout: float = 60) -> str:
        """Run kubectl and return its standard output.

        Raises:
            RefusedError: It did not end with 0.
        """
        done = subprocess.run(
            [
                str(self.program),
                f"--kubeconfig={self.kubeconfig}",
                f"--namespace={self.namespace}",
                *arguments,
            ],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if done.returncode:
            raise RefusedError(done.stderr.strip())
        return done.stdout

    def get(self, *arguments: str) -> Any:
        """One object as JSON, or None where there is no such object."""
        text = self("get", "--ignore-not-found", "--output=json", *arguments)
        return json.loads(text) if text.strip() else None

    def list(self, *arguments: str) -> list[dict[str, Any]]:
        """All objects of some kinds as JSON."""
        found = self.get(*arguments)
        items: list[dict[str, Any]] = found["items"] if found else []
        return items

    def apply(self, *manifests: dict[str, Any]) -> None:
        """Apply manifests, with strict validation as is kubectl's default.

        Raises:
            RefusedError: The API server refused one.
        """
        listed = {"apiVersion": "v1", "kind": "List", "items": list(manifests)}
        self("apply", "--filename=-", stdin=json.dumps(listed))

    def patch(self, kind: str, name: str, patch: dict[str, Any], *arguments: str) -> None:
        """Merge-patch an object."""
        self("patch", kind, name, "--type=merge", f"--patch={json.dumps(patch)}", *arguments)


def wait_for(what: str, look: Callable[[], T | None], timeout: float = 30, every: float = 0.1) -> T:
    """Look until something truthy is found, and return it.

    Raises:
        AssertionError: Nothing was found within `timeout` seconds; says what was waited for.
    """
    end = time.monotonic() + timeout
    while not (found := look()):
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not seen within {timeout} s; last seen: {found!r}")
        time.sleep(every)
    return found
