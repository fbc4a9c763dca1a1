"""The worker as a process of its own, as a Pod or a person starts it."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from download_schedule.result import Result, decode

PATH = "{namespace}/{name}/{scheduled}-{filename}"
LOOPBACK = "127.0.0.1/32"
_RUN = """
import logging, sys, os
from pathlib import Path
from download_worker.run import run
from download_worker.transfer import Limits
logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
limits = Limits(connect_seconds=int(sys.argv[3]), stall_seconds=float(sys.argv[4]))
sys.exit(run(os.environ, Path(sys.argv[1]), Path(sys.argv[2]), limits))
"""


@dataclass(frozen=True)
class Ended:
    """An attempt that is over."""

    code: int
    result: Result
    out: str
    err: str


@dataclass
class Pod:
    """What the kubelet sets up for an attempt: a claim, a report, an environment."""

    data: Path
    report: Path
    connect_seconds: int = 10
    stall_seconds: float = 30

    def start(
        self,
        url: str,
        *,
        headers: Mapping[str, str] = MappingProxyType({}),
        path: str | None = PATH,
        allow: str = LOOPBACK,
        **environment: str,
    ) -> subprocess.Popen[str]:
        """Start one attempt; without *path* it keeps nothing."""
        volume = {"volume": {"claimName": "data", "path": path}}
        spec = {
            "url": url,
            "format": "raw",
            "headers": [{"name": n, "value": v} for n, v in headers.items()],
            "destination": volume if path else {"discard": {}},
        }
        variables = {
            "DOWNLOAD_SPEC": json.dumps(spec),
            "DOWNLOAD_NAMESPACE": "team",
            "DOWNLOAD_NAME": "nightly",
            "DOWNLOAD_JOB": "nightly-29923320",
            "DOWNLOAD_WORKER_ALLOW_CIDRS": allow,
            **environment,
        }
        limits = (str(self.connect_seconds), str(self.stall_seconds))
        return subprocess.Popen(
            [sys.executable, "-c", _RUN, self.data, self.report, *limits],
            env=os.environ | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def end(self, process: subprocess.Popen[str]) -> Ended:
        """Wait for an attempt and read its report."""
        out, err = process.communicate(timeout=60)
        document = self.report.read_text() if self.report.exists() else "{}"
        return Ended(process.returncode, decode(document), out, err)

    def run(
        self,
        url: str,
        *,
        headers: Mapping[str, str] = MappingProxyType({}),
        path: str | None = PATH,
        allow: str = LOOPBACK,
        **environment: str,
    ) -> Ended:
        """Make one attempt from start to end."""
        process = self.start(url, headers=headers, path=path, allow=allow, **environment)
        return self.end(process)

    def files(self) -> dict[str, bytes]:
        """Return everything on the claim, by its path."""
        found = (path for path in self.data.rglob("*") if path.is_file())
        return {str(path.relative_to(self.data)): path.read_bytes() for path in found}


def fetch(
    url: str, output: Path, *arguments: str, wrapper: tuple[str, ...] = (), **environment: str
) -> Ended:
    """Run the worker as a person does, with the result document asked for."""
    command = [sys.executable, "-m", "download_worker", "fetch", url, "-o", str(output)]
    ended = subprocess.run(
        [*wrapper, *command, "--allow", LOOPBACK, "--json", *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    document = ended.stdout if ended.stdout.startswith("{") else "{}"
    return Ended(ended.returncode, decode(document), ended.stdout, ended.stderr)
