"""The control plane of a local cluster: etcd, API server, controller manager and scheduler."""

import json
import os
import shlex
import sys
from pathlib import Path
from typing import Any

from tools.cache import only_one
from tools.cluster import binaries, components, host, network, supervisor
from tools.cluster.certificates import Authority, write_signing_key
from tools.cluster.paths import API_SERVICE, NODE_ADDRESS, Layout
from tools.cluster.ports import free_ports
from tools.cluster.processes import kubectl_succeeds, start, step, wait, wait_for_api_server

REPOSITORY = Path(__file__).parents[2]
OWNER_FD = 3
"""The descriptor under which a supervisor inherits its end of the owner's pipe."""


def create(name: str, folder: Path, owner: int | None) -> Layout:
    """Start a control plane whose files are in *folder*.

    *owner* is the reading end of a pipe: the cluster removes itself once the writing end is closed.

    Raises:
        ToolError: A component died or was not ready in time, or a program cannot be compiled.
    """
    programs = binaries.ensure(*components.CONTROL_PLANE, "kubectl")
    for part in ("logs", "pki", "cni", "volumes"):
        (folder / part).mkdir(parents=True)
    with step("namespaces and certificates"):
        layout = _start_supervisor(name, folder, owner)
        host.reach_directly(layout.address)
        (folder / "layout.json").write_text(layout.to_json())
        _write_certificates(layout)
        layout.kubeconfig.write_text(json.dumps(_kubeconfig(layout)))
    with step("control plane"):
        for component in components.API_SERVER:
            start(component, layout, programs)
        wait_for_api_server(layout)
        for component in components.CONTROLLERS:  # which give up if it is not ready in 10 s
            start(component, layout, programs)
        wait("the default service account", lambda: _has_service_account(layout), layout)
    return layout


def _start_supervisor(name: str, folder: Path, owner: int | None) -> Layout:
    """Start the supervisor as PID 1 of new namespaces, or without root as a plain process."""
    isolated = host.is_root()
    command = [sys.executable, supervisor.__file__, str(folder / "supervisor.sock")]
    if owner is not None:
        command.append(str(OWNER_FD))
    if isolated:
        command = _in_new_namespaces(command)
    if owner is not None:
        command = _and_remove_cluster(command, name)
    pid = _spawn(command, folder / "logs" / "supervisor.log", owner)
    (folder / "pid").write_text(str(pid))
    wait("supervisor", (folder / "supervisor.sock").exists, None)
    if not isolated:
        api_port, etcd_port = free_ports(2)
        return Layout(name, folder, "127.0.0.1", api_port, etcd_port, isolated=False)
    with only_one(folder.parent / ".lock"):
        number = network.free_number()
        network.connect(number, _first_process(pid))
    return Layout(name, folder, network.inner_address(number))


def _in_new_namespaces(command: list[str]) -> list[str]:
    host.require_program("unshare", "util-linux")
    mounts = "mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /var/log && exec "
    unshare = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    return [*unshare, "sh", "-c", mounts + shlex.join(command)]


def _and_remove_cluster(command: list[str], name: str) -> list[str]:
    """Return a command that also removes the cluster if the supervisor ended with its owner."""
    remove = [sys.executable, "-m", "tools.cluster", "down", "--mode=local", f"--name={name}"]
    script = (
        f"{shlex.join(command)}; [ $? -eq {supervisor.OWNER_GONE} ] || exit 0; "
        f"cd {shlex.quote(str(REPOSITORY))} && exec {shlex.join(remove)}"
    )
    return ["sh", "-c", script]


def _spawn(command: list[str], log: Path, owner: int | None) -> int:
    """Start a process that outlives this one, in a session of its own, and return its id."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    actions: list[tuple[int, int, str, int, int] | tuple[int, int, int]] = [
        (os.POSIX_SPAWN_OPEN, 1, str(log), flags, 0o644),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    if owner is not None:
        actions.append((os.POSIX_SPAWN_DUP2, owner, OWNER_FD))
    environment = host.without_proxy(os.environ)
    return os.posix_spawnp(command[0], command, environment, file_actions=actions, setsid=True)


def _first_process(pid: int) -> int:
    """Return the descendant of *pid* that is PID 1 of its own namespace."""
    while _pid_in_own_namespace(pid) != "1":
        pid = int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])
    return pid


def _pid_in_own_namespace(pid: int) -> str:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (numbers,) = (line.split()[1:] for line in lines if line.startswith("NSpid:"))
    return numbers[-1]


def _has_service_account(layout: Layout) -> bool:
    return kubectl_succeeds(layout, "get", "serviceaccount", "default", "--namespace=default")


def _write_certificates(layout: Layout) -> None:
    authority = Authority(layout.pki)
    names = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")
    hosts = (*names, "127.0.0.1", layout.address, NODE_ADDRESS, API_SERVICE)
    authority.issue("apiserver", "kube-apiserver", hosts=hosts)
    authority.issue("admin", "admin", "system:masters")
    write_signing_key(layout.pki / "service-accounts.key")


def _kubeconfig(layout: Layout) -> dict[str, Any]:
    pki = layout.pki
    server = {"server": layout.server(), "certificate-authority": str(pki / "ca.crt")}
    user = {"client-certificate": str(pki / "admin.crt"), "client-key": str(pki / "admin.key")}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": layout.name, "cluster": server}],
        "users": [{"name": "admin", "user": user}],
        "contexts": [{"name": layout.name, "context": {"cluster": layout.name, "user": "admin"}}],
        "current-context": layout.name,
    }
