"""The worker as a process of its own, as a Pod or a person starts it."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from download_schedule.attempt.result import Result, decode
from download_schedule.attempt.variables import (
    ALLOW_CIDRS_VARIABLE,
    JOB_VARIABLE,
    RUN_VARIABLE,
    SPEC_VARIABLE,
)
from download_worker.egress.policy import EgressPolicy, parse_range
from download_worker.volume.manifest import FOLDER
from tests.support import forked
from tests.support.memory_limit import NO_LIMIT, MemoryLimit

PATH = "{namespace}/{name}/{scheduled}-{filename}"
LOOPBACK = "127.0.0.1/32"
REQUEST: Mapping[str, Any] = MappingProxyType(
    {
        "method": "GET",
        "headers": [],
        "compressed": False,
        "connectTimeoutSeconds": 10,
        "stallTimeoutSeconds": 30,
        "maxRedirects": 5,
    }
)
VERIFY: Mapping[str, Any] = MappingProxyType(
    {"minBytes": 0, "maxBytes": 10 * 1024**3, "contentTypes": []}
)
WAIT_FOR: Mapping[str, Any] = MappingProxyType(
    {"until": "Exists", "everySeconds": 1, "atMostSeconds": 600, "statuses": [404]}
)
RUN_PROGRAM = """
import email.utils, http, logging, os, re, resource, sys
from pathlib import Path
from download_worker.attempt import run
logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
volume, termination_log = map(Path, sys.argv[1:3])
for user in map(int, sys.argv[3:]):  # only now, because it may not be able to read the modules
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)

changes = {"fcntl.flock", "os.remove", "os.rename"}
remaining = int(os.environ.get("DIE_AT", 0))

def die_in_time(event, _):
    global remaining
    if event in changes:
        remaining -= 1
        if remaining == 0:
            os.kill(os.getpid(), 9)

if remaining:
    sys.addaudithook(die_in_time)
code = run(os.environ, volume, termination_log)
own_peak = re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1]
peak = max(int(own_peak), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
termination_log.with_suffix(".peak").write_text(str(peak))
sys.exit(code)
"""
"""Does what a Pod's container does. Its arguments are the volume and the termination log, and the
user that it becomes, if that is another one. With the variable DIE_AT it dies just before it
changes the file system, or asks for a lock, for that time.

It also leaves the KiB that it or a child had in memory at most. The kernel's own figure for a
process includes its parent's memory at the time of the fork.
"""


def policy(
    *allowed: str, denied: tuple[str, ...] = (), ports: tuple[int, ...] = ()
) -> EgressPolicy:
    """Return the policy with these ranges and ports."""
    ranges, closed = (tuple(map(parse_range, texts)) for texts in (allowed, denied))
    return EgressPolicy(ranges, closed, frozenset(ports))


def pod_environment(**members: Any) -> dict[str, str]:
    """Return the variables of a Pod, with these members of the task."""
    task = {
        "namespace": "team",
        "name": "nightly",
        "url": "http://127.0.0.1/",
        "format": "raw",
        "request": dict(REQUEST),
        "verify": dict(VERIFY),
        "onlyIfChanged": False,
        "keepLast": None,
        "destination": {"discard": {}},
        **members,
    }
    return {
        SPEC_VARIABLE: json.dumps(task),
        JOB_VARIABLE: "nightly-29923320",
        RUN_VARIABLE: "5b1c9b1e",
    }


@dataclass(frozen=True)
class FinishedAttempt:
    """An attempt that is over."""

    code: int
    result: Result
    out: str
    err: str

    @property
    def outcome(self) -> tuple[int, str | None]:
        """Exit code and reason."""
        return self.code, self.result.reason


@dataclass
class Pod:
    """What the kubelet sets up for an attempt: a claim, a termination log, an environment."""

    data: Path
    termination_log: Path
    connect_seconds: int = 10
    stall_seconds: int = 30
    user: int | None = None
    """Id of the attempts' user and group, for a test that runs as root; None: the test's own."""
    limit: MemoryLimit = NO_LIMIT
    """Of an attempt's memory."""

    def peak_memory(self) -> int:
        """Return the most bytes that a process of the last attempt had in memory."""
        return int(self.peak_file.read_text()) * 1024

    @property
    def peak_file(self) -> Path:
        """The test's own file: the KiB that a process of the last attempt had in memory at most."""
        return self.termination_log.with_suffix(".peak")

    def start(
        self,
        url: str,
        *,
        headers: Mapping[str, str] = MappingProxyType({}),
        path: str | None = PATH,
        allow: str = LOOPBACK,
        request: Mapping[str, Any] = MappingProxyType({}),
        verify: Mapping[str, Any] = MappingProxyType({}),
        only_if_changed: bool = False,
        keep_last: int | None = None,
        file_format: str = "raw",
        name: str = "nightly",
        overwrite: bool = False,
        free_path: bool = False,
        s3: Mapping[str, Any] | None = None,
        active_deadline_seconds: int | None = None,
        time_zone: str | None = None,
        schedule: str | None = None,
        wait_for: Mapping[str, Any] | None = None,
        exclude: Mapping[str, Any] | None = None,
        **environment: str,
    ) -> subprocess.Popen[str]:
        """Start one attempt. Without *path* and *s3*, it discards the file.

        With *time_zone*, its texts are templates.
        """
        flags = {"overwrite": overwrite, "freePath": free_path}
        volume = {"volume": {"claimName": "data", "path": path, **flags}}
        variables = pod_environment(
            name=name,
            url=url,
            format=file_format,
            request={
                **REQUEST,
                "headers": [{"name": n, "value": v} for n, v in headers.items()],
                "connectTimeoutSeconds": self.connect_seconds,
                "stallTimeoutSeconds": self.stall_seconds,
                **request,
            },
            verify={**VERIFY, **verify},
            onlyIfChanged=only_if_changed,
            keepLast=keep_last,
            activeDeadlineSeconds=active_deadline_seconds,
            destination={"s3": dict(s3)} if s3 else volume if path else {"discard": {}},
            timeZone=time_zone,
            schedule=schedule,
            waitFor=None if wait_for is None else {**WAIT_FOR, **wait_for},
            exclude=exclude and dict(exclude),
        )
        arguments = [str(self.data), str(self.termination_log)]
        if self.user:
            arguments.append(str(self.user))
        return forked.start(
            forked.WORKER,
            ["-c", RUN_PROGRAM, *arguments],
            limit=self.limit,
            env=os.environ | variables | {ALLOW_CIDRS_VARIABLE: allow} | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(self, process: subprocess.Popen[str]) -> FinishedAttempt:
        """Wait for an attempt and read its termination log."""
        out, err = process.communicate(timeout=60)
        document = self.termination_log.read_text() if self.termination_log.exists() else ""
        return FinishedAttempt(process.returncode, decode(document or "{}"), out, err)

    def run(self, url: str, **options: Any) -> FinishedAttempt:
        """Make one attempt from start to end."""
        return self.finish(self.start(url, **options))

    def partial_files(self) -> list[Path]:
        """Return the partial files that attempts have left, and their checksum logs."""
        return sorted(path for path in self.data.rglob("*") if ".part" in path.name)

    def files(self) -> dict[str, bytes]:
        """Return everything on the claim but the manifests, by its path."""
        paths = (
            path for path in self.data.rglob("*") if path.is_file() and path.parent.name != FOLDER
        )
        return {str(path.relative_to(self.data)): path.read_bytes() for path in paths}

    def names(self) -> list[str]:
        """Return the names of those files, without their folders."""
        return sorted(path.rpartition("/")[2] for path in self.files())


def fetch(
    url: str, output: Path, *arguments: str, wrapper: tuple[str, ...] = (), **environment: str
) -> FinishedAttempt:
    """Run the worker as a person does, and ask for the result document."""
    command = [sys.executable, "-m", "download_worker", "fetch", url, "-o", str(output)]
    finished = subprocess.run(
        [*wrapper, *command, "--allow", LOOPBACK, "--json", *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    document = finished.stdout if finished.stdout.startswith("{") else "{}"
    return FinishedAttempt(finished.returncode, decode(document), finished.stdout, finished.stderr)
