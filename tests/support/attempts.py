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
from download_worker.volume.manifest import FOLDER as HIDDEN

PATH = "{namespace}/{name}/{scheduled}-{filename}"
LOOPBACK = "127.0.0.1/32"
RUN = """
import logging, sys, os
from pathlib import Path
from download_worker.attempt import run
logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
sys.exit(run(os.environ, Path(sys.argv[1]), Path(sys.argv[2])))
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
        request: Mapping[str, Any] = MappingProxyType({}),
        verify: Mapping[str, Any] = MappingProxyType({}),
        only_if_changed: bool = False,
        keep_last: int | None = None,
        form: str = "raw",
        name: str = "nightly",
        s3: Mapping[str, Any] | None = None,
        **environment: str,
    ) -> subprocess.Popen[str]:
        """Start one attempt; without *path* it keeps nothing."""
        volume = {"volume": {"claimName": "data", "path": path}}
        spec = {
            "namespace": "team",
            "name": name,
            "url": url,
            "format": form,
            "request": {
                "method": "GET",
                "headers": [{"name": n, "value": v} for n, v in headers.items()],
                "compressed": False,
                "connectTimeoutSeconds": self.connect_seconds,
                "stallTimeoutSeconds": self.stall_seconds,
                "maxRedirects": 5,
                **request,
            },
            "onlyIfChanged": only_if_changed,
            "keepLast": keep_last,
            "verify": {"minBytes": 0, "maxBytes": 10 * 1024**3, "contentTypes": [], **verify},
            "destination": {"s3": dict(s3)} if s3 else volume if path else {"discard": {}},
        }
        variables = {
            "DOWNLOAD_SPEC": json.dumps(spec),
            "DOWNLOAD_JOB": "nightly-29923320",
            "DOWNLOAD_RUN": "5b1c9b1e",
            "DOWNLOAD_WORKER_ALLOW_CIDRS": allow,
            **environment,
        }
        return subprocess.Popen(
            [sys.executable, "-c", RUN, self.data, self.report],
            env=os.environ | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def end(self, process: subprocess.Popen[str]) -> Ended:
        """Wait for an attempt and read its report."""
        out, err = process.communicate(timeout=60)
        document = self.report.read_text() if self.report.exists() else ""
        return Ended(process.returncode, decode(document or "{}"), out, err)

    def run(self, url: str, **order: Any) -> Ended:
        """Make one attempt from start to end."""
        return self.end(self.start(url, **order))

    def parts(self) -> list[Path]:
        """Return what attempts have left for later ones, and the notes beside them."""
        return sorted(path for path in self.data.rglob("*") if ".part" in path.name)

    def files(self) -> dict[str, bytes]:
        """Return everything on the claim, by its path."""
        found = (
            path for path in self.data.rglob("*") if path.is_file() and path.parent.name != HIDDEN
        )
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
