"""Kubernetes and its tools, compiled from pinned Go modules into the user's cache.

Each folder of `go_modules/` is a Go module. Programs of one module share versions, so Go compiles
the packages that they have in common once: Helm, CoreDNS, etcd and containerd import 2,500 packages
that Kubernetes needs as well, and 850 of their own. Compiled programs are stored under a hash of
everything that went into them.
"""

import hashlib
import os
import shlex
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tools.cache import CACHE, only_one
from tools.cluster import go, host
from tools.errors import ToolError

PROGRESS_SECONDS = 20.0
_KUBERNETES = "v1.37.2"
_HELM = "v4.3.1"
NO_DEBUG_DATA = "-gcflags=all=-dwarf=false"
"""Saves the compiler the work on what the linker leaves out, see `Module.flags`."""
COMPILER_GOGC = "400"
"""The compiler collects garbage less often: it takes less time and more memory (the variable GOGC
of https://pkg.go.dev/runtime, where 100 is the default)."""


class BuildError(ToolError):
    """A program could not be compiled. The message ends with the compiler's output."""


@dataclass(frozen=True)
class Module:
    """A Go module and the programs in it.

    Attributes:
        packages: The Go packages of the programs, each by the name of its program.
        linker_flags: What the linker stamps into the programs.
        tags: Build tags.
        headers: pkg-config module and Debian package of C headers; None compiles without C.
    """

    packages: dict[str, str]
    linker_flags: str = ""
    tags: str = ""
    headers: tuple[str, str] | None = None

    def environment(self) -> dict[str, str]:
        """Return the environment variables that the compilation depends on."""
        return {"CGO_ENABLED": "0" if self.headers is None else "1", "GOFLAGS": "-mod=readonly"}

    def flags(self) -> list[str]:
        """Return the arguments of `go build`."""
        ldflags = f"-s -w {self.linker_flags}".strip()
        return ["-trimpath", "-buildvcs=false", "-tags", self.tags, "-ldflags", ldflags]


def _packages(*paths: str) -> dict[str, str]:
    """Return the packages by the name that `go build` gives their programs."""
    return {path.rsplit("/", 1)[-1]: path for path in paths}


_STAMP = "k8s.io/component-base/version"
MODULES: dict[str, Module] = {
    "cluster": Module(
        _packages(
            "k8s.io/kubernetes/cmd/kube-apiserver",
            "k8s.io/kubernetes/cmd/kube-controller-manager",
            "k8s.io/kubernetes/cmd/kube-scheduler",
            "k8s.io/kubernetes/cmd/kubectl",
            "k8s.io/kubernetes/cmd/kubelet",
            "k8s.io/kubernetes/cmd/kube-proxy",
            "./etcd",
            "./coredns",
            "./pause",
            "github.com/containerd/containerd/v2/cmd/containerd",
            "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2",
            "github.com/containerd/containerd/v2/cmd/ctr",
            "github.com/containernetworking/plugins/plugins/main/bridge",
            "github.com/containernetworking/plugins/plugins/main/loopback",
            "github.com/containernetworking/plugins/plugins/ipam/host-local",
            "helm.sh/helm/v4/cmd/helm",
        ),
        linker_flags=f"-X {_STAMP}.gitVersion={_KUBERNETES}"
        f" -X {_STAMP}.gitMajor=1 -X {_STAMP}.gitMinor=37"
        f" -X helm.sh/helm/v4/internal/version.version={_HELM}",
        # Snapshots of images on file systems that a cluster for tests never has, and tracing.
        tags="no_btrfs,no_devmapper,no_zfs,no_tracing",
    ),
    "runc": Module(
        {"runc": "github.com/opencontainers/runc"},
        tags="seccomp,runc_nodmz",
        headers=("libseccomp", "libseccomp-dev"),
    ),
    "kind": Module({"kind": "sigs.k8s.io/kind"}),
}


def ensure(*names: str) -> dict[str, Path]:
    """Return the paths of the named programs. Compile those that are not in the cache.

    Missing programs of one module are compiled together, which takes less than one by one.

    Raises:
        BuildError: A program is unknown, or the compiler failed.
        MissingError: The machine lacks a prerequisite.
    """
    names_of: dict[str, list[str]] = {}
    for name in names:
        names_of.setdefault(_module_of(name), []).append(name)
    return {
        name: path
        for module, group in names_of.items()
        for name, path in _ensure(module, group).items()
    }


def _module_of(program: str) -> str:
    for name, module in MODULES.items():
        if program in module.packages:
            return name
    programs = sorted(program for module in MODULES.values() for program in module.packages)
    raise BuildError(f"{program} is not one of the programs: {', '.join(programs)}")


def _ensure(name: str, programs: list[str]) -> dict[str, Path]:
    folder = CACHE / "bin" / f"{name}-{_fingerprint(name)}"
    paths = {program: folder / program for program in programs}
    if not all(path.exists() for path in paths.values()):
        with only_one(folder / ".lock"):
            missing = [program for program, path in paths.items() if not path.exists()]
            if missing:
                _compile(name, missing, folder)
    return paths


def _fingerprint(name: str) -> str:
    module, digest = MODULES[name], hashlib.sha256()
    for path in sorted((go.GO_MODULES / name).rglob("*.*")):
        digest.update(path.read_bytes())
    digest.update(repr((module.environment(), module.flags())).encode())
    return digest.hexdigest()[:12]


def _compile(name: str, programs: list[str], folder: Path) -> None:
    module, started = MODULES[name], time.monotonic()
    if module.headers is not None:
        host.require_headers(*module.headers)
    packages = [module.packages[program] for program in programs]
    host.say(f"compiling {', '.join(programs)}")
    # In the same file system as the folder, so that a program appears there whole or not at all.
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        _go_build(name, packages, Path(scratch))
        for program in programs:
            (Path(scratch) / program).rename(folder / program)
    host.say(f"compiled in {time.monotonic() - started:.0f} s")


def _go_build(name: str, packages: list[str], folder: Path) -> None:
    module, log = MODULES[name], folder / "log"
    # -v prints a line for each package that is compiled.
    options = ["-v", NO_DEBUG_DATA, *module.flags(), "-o", f"{folder}/"]
    command = [go.program(), "build", *options, *packages]
    environment = {"GOGC": COMPILER_GOGC, **os.environ, **module.environment()}
    with log.open("w") as output:
        build = subprocess.Popen(
            command, cwd=go.GO_MODULES / name, env=environment, stdout=output, stderr=output
        )
    try:
        _report_progress(build, log)
    finally:
        build.terminate()
        build.wait()
    if build.returncode:
        raise BuildError(f"{shlex.join(command[:2])} failed:\n{log.read_text()[-2000:]}")


def _report_progress(build: subprocess.Popen[bytes], log: Path) -> None:
    started = time.monotonic()
    while True:
        try:
            build.wait(PROGRESS_SECONDS)
        except subprocess.TimeoutExpired:
            packages = len(log.read_text().splitlines())
            seconds = time.monotonic() - started
            host.say(f"  {packages} packages compiled, {seconds:.0f} s so far")
        else:
            return
