"""A cluster of processes on this machine, in namespaces of its own."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.ports import free_ports
from tools.cluster import addons, binaries, components, host, image_archive, network, supervisor
from tools.cluster.certificates import Authority, write_signing_key
from tools.cluster.paths import API_SERVICE, NODE_ADDRESS, PAUSE_IMAGE, Layout

CLUSTERS = binaries.CACHE / "clusters"
READY_SECONDS = 120.0
LOG_LINES = 15


class ComponentError(Exception):
    """A component died or never became ready; the message has its name and the end of its log."""


@dataclass(frozen=True)
class LocalCluster:
    """A cluster that is up."""

    name: str
    kubeconfig: Path
    layout: Layout
    mode: str = "local"

    def load(self, *archives: Path) -> None:
        """Put images, as `docker save` writes them, onto the node."""
        programs = binaries.ensure("ctr")
        for path in archives:
            _inside(self.layout, *_ctr(programs["ctr"], self.layout), "import", str(path))

    def restart(self, component: str) -> None:
        """Kill a component with SIGKILL and start it again, and wait until it works."""
        supervisor.ask(self.layout.socket, {"do": "restart", "name": component})
        _wait_until_ready(self.layout)

    def signal(self, component: str, number: int) -> None:
        """Send a signal to a component."""
        request = {"do": "signal", "name": component, "number": number}
        supervisor.ask(self.layout.socket, request)

    def inside(self, *command: str) -> str:
        """Run a command in the cluster's namespaces; return what it prints.

        Raises:
            ComponentError: It failed.
        """
        return _inside(self.layout, *command)

    def check(self) -> None:
        """Raise ComponentError if a component has died."""
        _check(self.layout)

    def down(self) -> None:
        """End it, and remove every trace of it."""
        down(self.name)


def up(name: str, *, node: bool) -> LocalCluster:
    """Make the cluster exist: nothing happens if it does, and what is missing is added. One whose
    making was interrupted is made anew.

    Args:
        name: Tells clusters apart; small letters, digits and hyphens.
        node: Whether Pods can run in it. Needs Linux and root.

    Raises:
        ComponentError, binaries.BuildError, system.MissingError: With what is wrong.
    """
    if node and not host.is_root():
        raise host.MissingError("a node needs root: use sudo, or a Docker engine (CLUSTER=kind)")
    folder = CLUSTERS / name
    if _is_alive(folder) and not _unfinished(folder).exists():
        layout = _read_layout(folder)
        host.reach_directly(layout.address)
        _revive(layout)
    else:
        down(name)
        with _to_the_end(folder):
            layout = _begin(name, folder)
    if node and not (folder / "node").exists():
        with _to_the_end(folder):
            _add_node(layout)
        (folder / "node").touch()
    return LocalCluster(name, layout.kubeconfig, layout)


def down(name: str) -> None:
    """End a cluster and remove every trace of it; nothing happens if there is none."""
    folder = CLUSTERS / name
    if not folder.exists():
        return
    if _is_alive(folder):
        layout = _read_layout(folder)
        supervisor.ask(layout.socket, {"do": "stop"})
        _wait_until_gone(folder)
        _remove_cgroups(layout)
    shutil.rmtree(folder)


def status(name: str) -> dict[str, str]:
    """The state of each component, `running` or `exited with N`; empty if there is no cluster."""
    folder = CLUSTERS / name
    if not _is_alive(folder):
        return {}
    listed = supervisor.ask(folder / "supervisor.sock", {"do": "list"})
    return {
        component: "running" if found["exit"] is None else f"exited with {found['exit']}"
        for component, found in listed.items()
    }


def _unfinished(folder: Path) -> Path:
    return folder / "unfinished"


@contextmanager
def _to_the_end(folder: Path) -> Iterator[None]:
    """Leave a mark where the block does not end well."""
    folder.mkdir(parents=True, exist_ok=True)
    _unfinished(folder).touch()
    yield
    _unfinished(folder).unlink()


def _begin(name: str, folder: Path) -> Layout:
    programs = binaries.ensure(*components.CONTROL_PLANE, "kubectl")
    for part in ("logs", "pki", "cni", "volumes"):
        (folder / part).mkdir(parents=True)
    with _step("namespaces and certificates"):
        layout = _enter(name, folder)
        host.reach_directly(layout.address)
        _write_layout(layout)
        _write_certificates(layout)
        layout.kubeconfig.write_text(json.dumps(_kubeconfig(layout)))
    for component in components.CONTROL_PLANE:
        _start(component, layout, programs)
    with _step("control plane"):
        _wait_until_ready(layout)
        _wait("the default service account", lambda: _has_service_account(layout), layout)
    return layout


def _enter(name: str, folder: Path) -> Layout:
    """Start the supervisor: as PID 1 of new namespaces, or, without root, as a plain process."""
    command = [sys.executable, supervisor.__file__, str(folder / "supervisor.sock")]
    isolated = host.is_root()
    if isolated:
        host.require_program("unshare", "util-linux")
        mounts = "mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /var/log && exec "
        shell = mounts + shlex.join(command)
        unshare = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        command = [*unshare, "sh", "-c", shell]
    pid = _spawn(command, folder / "logs" / "supervisor.log")
    (folder / "pid").write_text(str(pid))
    _wait("supervisor", (folder / "supervisor.sock").exists, None)
    if not isolated:
        api_port, etcd_port = free_ports(2)
        return Layout(name, folder, "127.0.0.1", api_port, etcd_port, isolated=False)
    child = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0]
    with binaries.only_one(CLUSTERS / ".lock"):
        number = network.free_number()
        network.connect(number, int(child))
    return Layout(name, folder, network.inner_address(number))


def _spawn(command: list[str], log: Path) -> int:
    """Start a process that outlives this one; return its id."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    output = (os.POSIX_SPAWN_OPEN, 1, str(log), flags, 0o644)
    errors = (os.POSIX_SPAWN_DUP2, 1, 2)
    environment = host.without_proxy(os.environ)
    return os.posix_spawnp(
        command[0], command, environment, file_actions=[output, errors], setsid=True
    )


def _add_node(layout: Layout) -> None:
    for program in (("nft", "nftables"), ("ip", "iproute2"), ("mount", "mount")):
        host.require_program(*program)
    programs = binaries.ensure(*components.NODE_PROGRAMS)
    for name, text in components.node_files(layout, programs).items():
        (layout.folder / name).write_text(text)
    for number in range(addons.VOLUMES):
        path = Path(addons.volume_path(layout, number))
        path.mkdir(parents=True)
        path.chmod(0o777)
    for folder in _cgroups(layout):
        folder.mkdir(exist_ok=True)
        _inherit_cpuset(folder)
    _start("containerd", layout, programs)
    pause = layout.folder / "pause.tar"
    image_archive.write_image(
        pause, PAUSE_IMAGE, {"pause": programs["pause"].read_bytes()}, "/pause"
    )
    _wait("containerd", lambda: _ctr_answers(layout, programs["ctr"]), layout)
    _inside(layout, *_ctr(programs["ctr"], layout), "import", str(pause))
    for component in ("kubelet", "kube-proxy", "coredns"):
        _start(component, layout, programs)
    with _step("node"):
        manifests = {"apiVersion": "v1", "kind": "List", "items": addons.furnishing(layout)}
        _kubectl(layout, "apply", "--filename=-", stdin=json.dumps(manifests))
        _wait("the node", lambda: _node_is_ready(layout), layout)


def _start(component: str, layout: Layout, programs: components.Programs) -> None:
    spec = {
        "argv": components.argv(component, layout, programs),
        "log": str(layout.log(component)),
        "environment": {"PATH": f"{programs[component].parent}:{os.environ['PATH']}"},
    }
    supervisor.ask(layout.socket, {"do": "start", "name": component, "spec": spec})


def _revive(layout: Layout) -> None:
    """Start again what has died since."""
    listed = supervisor.ask(layout.socket, {"do": "list"})
    for component, found in listed.items():
        if found["exit"] is not None:
            host.say(f"{component} had died, starting it again")
            supervisor.ask(layout.socket, {"do": "restart", "name": component})
    _wait_until_ready(layout)


def _wait_until_ready(layout: Layout) -> None:
    _wait("kube-apiserver", lambda: _kubectl_answers(layout, "get", "--raw=/readyz"), layout)


def _wait(what: str, look: Callable[[], bool], layout: Layout | None) -> None:
    end = time.monotonic() + READY_SECONDS
    while not look():
        if layout:
            _check(layout)
        if time.monotonic() > end:
            where = f"; see {layout.folder / 'logs'}" if layout else ""
            raise ComponentError(f"{what} is not ready after {READY_SECONDS:.0f} s{where}")
        time.sleep(0.1)


def _check(layout: Layout) -> None:
    listed = supervisor.ask(layout.socket, {"do": "list"})
    for component, found in listed.items():
        if found["exit"] is not None:
            end = Path(found["log"]).read_text(errors="replace").splitlines()[-LOG_LINES:]
            raise ComponentError(
                f"{component} died (exit code {found['exit']}); the end of its log:\n"
                + "\n".join(end)
            )


def _kubectl(layout: Layout, *arguments: str, stdin: str | None = None) -> str:
    program = binaries.ensure("kubectl")["kubectl"]
    return subprocess.run(
        [program, f"--kubeconfig={layout.kubeconfig}", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def _kubectl_answers(layout: Layout, *arguments: str) -> bool:
    try:
        _kubectl(layout, "--request-timeout=2s", *arguments)
    except subprocess.CalledProcessError:
        return False
    return True


def _has_service_account(layout: Layout) -> bool:
    return _kubectl_answers(layout, "get", "serviceaccount", "default", "--namespace=default")


def _node_is_ready(layout: Layout) -> bool:
    path = "jsonpath={.items[*].status.conditions[?(@.type=='Ready')].status}"
    return _kubectl(layout, "get", "nodes", f"--output={path}") == "True"


def _ctr(program: Path, layout: Layout) -> list[str]:
    return [str(program), f"--address={layout.containerd_socket}", "-n=k8s.io", "images"]


def _ctr_answers(layout: Layout, program: Path) -> bool:
    request = {"do": "run", "argv": [*_ctr(program, layout), "list"]}
    return bool(supervisor.ask(layout.socket, request)["code"] == 0)


def _inside(layout: Layout, *argv: str) -> str:
    """Run a command in the cluster's namespaces."""
    answer = supervisor.ask(layout.socket, {"do": "run", "argv": list(argv)}, timeout=600)
    if answer["code"]:
        raise ComponentError(f"{' '.join(argv)}: {answer['output'].strip()}")
    output: str = answer["output"]
    return output


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


def _write_layout(layout: Layout) -> None:
    kept = {
        "name": layout.name,
        "address": layout.address,
        "api_port": layout.api_port,
        "etcd_port": layout.etcd_port,
        "isolated": layout.isolated,
    }
    (layout.folder / "layout.json").write_text(json.dumps(kept))


def _read_layout(folder: Path) -> Layout:
    return Layout(folder=folder, **json.loads((folder / "layout.json").read_text()))


def _is_alive(folder: Path) -> bool:
    """Whether the supervisor answers and got far enough to have a layout."""
    if not (folder / "layout.json").exists():
        _kill_leftover(folder)
        return False
    try:
        supervisor.ask(folder / "supervisor.sock", {"do": "list"}, timeout=10)
    except OSError:
        return False
    return True


def _kill_leftover(folder: Path) -> None:
    """End a supervisor whose start was interrupted."""
    pid = folder / "pid"
    if pid.exists() and Path(f"/proc/{pid.read_text()}/cmdline").exists():
        command = Path(f"/proc/{pid.read_text()}/cmdline").read_text()
        if str(folder / "supervisor.sock") in command:
            os.kill(int(pid.read_text()), signal.SIGKILL)


def _wait_until_gone(folder: Path) -> None:
    process = Path("/proc") / (folder / "pid").read_text() / "cmdline"
    end = time.monotonic() + READY_SECONDS
    while process.exists() and process.read_bytes():  # a process that nobody waits for has none
        if time.monotonic() > end:
            raise ComponentError(f"{process.parent} does not end")
        time.sleep(0.05)


def _cgroups(layout: Layout) -> list[Path]:
    """The cluster's folder in each hierarchy of cgroup v1, or in the one of v2."""
    root, own = Path("/sys/fs/cgroup"), layout.cgroup.lstrip("/")
    if (root / "cgroup.controllers").exists():
        return [root / own]
    names = ("blkio", "cpu", "cpuacct", "cpuset", "devices", "freezer", "hugetlb", "memory")
    more = ("net_cls", "net_prio", "perf_event", "pids", "systemd", "unified")
    return [root / name / own for name in (*names, *more) if (root / name).is_dir()]


def _inherit_cpuset(folder: Path) -> None:
    """A new cpuset of cgroup v1 is empty, and so admits no process."""
    for part in ("cpuset.cpus", "cpuset.mems"):
        file = folder / part
        if file.exists() and not file.read_text().strip():
            file.write_text((folder.parent / part).read_text())


def _remove_cgroups(layout: Layout) -> None:
    for folder in _cgroups(layout):
        for path, _, _ in os.walk(folder, topdown=False):
            Path(path).rmdir()


@contextmanager
def _step(what: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    host.say(f"{what} ready ({time.monotonic() - started:.1f} s)")
