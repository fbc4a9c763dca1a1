"""Stand-ins for `kind` and `docker` on PATH, which fail in the ways that the real ones did.

Both are this file, called by another name. They share a JSON file: what Docker can do, and the node
of each cluster. Their messages are those of kind 0.33 with Docker 28.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

STATE = "STUB_KIND_STATE"
INITIAL = {
    "version": "v0.33.0",
    "can_pull": True,
    "hangs_in_create": False,
    "nodes": {},
    "loaded": [],
}


class StubKind:
    """The two programs, and the state that they share."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._state = folder / "state.json"
        self.set(**INITIAL)
        for name in ("kind", "docker"):
            program = folder / name
            program.write_text(f"#!{sys.executable}\n{Path(__file__).read_text()}")
            program.chmod(0o755)

    def environment(self) -> dict[str, str]:
        """Return the variables under which a process finds them."""
        return {"PATH": f"{self.folder}:{os.environ['PATH']}", STATE: str(self._state)}

    def state(self) -> dict[str, Any]:
        """Return the state that both programs share."""
        return dict(json.loads(self._state.read_text()))

    def set(self, **members: Any) -> None:
        """Change members of the state."""
        before = self.state() if self._state.exists() else {}
        _write(self._state, before | members)

    def add_node(
        self, cluster: str, *, state: str = "running", has_kubeconfig: bool, ready: bool
    ) -> None:
        """Add the node of a cluster that somebody has begun to create."""
        node = {"state": state, "has_kubeconfig": has_kubeconfig, "ready": ready}
        self.set(nodes={**self.state()["nodes"], f"{cluster}-control-plane": node})


def main(program: str, arguments: list[str]) -> int:
    """Do what the real program does with these arguments; return its exit code."""
    path = Path(os.environ[STATE])
    state = json.loads(path.read_text())
    options = dict(word.split("=", 1) for word in arguments if "=" in word)
    words = tuple(word for word in arguments if not word.startswith("-"))
    code = (_kind if program == "kind" else _docker)(state, words, options, path)
    _write(path, state)
    return code


def _kind(state: Any, words: tuple[str, ...], options: dict[str, str], path: Path) -> int:
    nodes, node = state["nodes"], f"{options.get('--name')}-control-plane"
    match words:
        case ["version"]:
            print(f"kind {state['version']} go1.26.8 linux/amd64")
        case ["create", "cluster"]:
            return _create(state, node, options, path)
        case ["export", "kubeconfig"]:
            container = nodes.get(node, {})
            if container.get("state") != "running" or not container["has_kubeconfig"]:
                return _fail("failed to get cluster internal kubeconfig: command failed")
            Path(options["--kubeconfig"]).write_text("kubeconfig")
        case ["load", "image-archive", archive]:
            state["loaded"].append(archive)
        case ["delete", "cluster"]:
            print(f'Deleting cluster "{options["--name"]}" ...', file=sys.stderr)
            nodes.pop(node, None)
        case _:
            return _fail(f"the stub of kind does not know {words}")
    return 0


def _create(state: Any, node: str, options: dict[str, str], path: Path) -> int:
    if node in state["nodes"]:
        return _fail("failed to create cluster: node(s) already exist for a cluster with the name")
    if not state["can_pull"]:
        image = options.get("--image", "kindest/node:v1.36.1")
        return _fail(f'failed to create cluster: failed to pull image "{image}": exit status 1')
    state["nodes"][node] = {"state": "running", "has_kubeconfig": False, "ready": False}
    if state["hangs_in_create"]:
        _write(path, state)
        time.sleep(60)
    state["nodes"][node] = {"state": "running", "has_kubeconfig": True, "ready": True}
    Path(options["--kubeconfig"]).write_text("kubeconfig")
    return 0


def _docker(state: Any, words: tuple[str, ...], options: dict[str, str], _path: Path) -> int:
    nodes = state["nodes"]
    match words:
        case ["info"]:
            return 0
        case ["image", "inspect", _] | ["pull", _]:
            return 0 if state["can_pull"] else _fail("failed to do request: no such host")
        case ["ps"]:
            cluster = options["--filter"].rpartition("=")[2]
            for node, container in nodes.items():
                if node == f"{cluster}-control-plane":
                    print(node, container["state"])
        case ["start", node]:
            nodes[node]["state"] = "running"
        case ["exec", node, "kubectl", *_]:
            if nodes[node]["state"] != "running" or not nodes[node]["has_kubeconfig"]:
                return _fail("container is not running, or it has no admin.conf")
            print(nodes[node]["ready"])
        case _:
            return _fail(f"the stub of docker does not know {words}")
    return 0


def _write(path: Path, state: Any) -> None:
    """Write the state in one step, because others read it meanwhile."""
    unfinished = path.with_suffix(f".{os.getpid()}")
    unfinished.write_text(json.dumps(state))
    unfinished.replace(path)


def _fail(message: str) -> int:
    print(f"ERROR: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[0]).name, sys.argv[1:]))
