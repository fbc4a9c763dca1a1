"""A volume that goes away while a file is written to it, and comes back."""

import fcntl
import hashlib
import os
import random
import struct
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from download_schedule.attempt.result import EXIT_DONE, EXIT_RETRY
from tests.support.attempts import Pod
from tests.support.http_faults import Behaviour, Exchange, FaultServer, response_head
from tests.support.http_ranges import ETAG, ranged, requested_ranges
from tools.cluster.host import is_root, require_program
from tools.cluster.kubectl import wait_for

pytestmark = pytest.mark.skipif(not is_root(), reason="mounts a file system, which needs root")

BODY = random.Random(4).randbytes(12_000_000)
FIRST = 8_000_000
SHUT_DOWN = 0x8004587D
"""EXT4_IOC_SHUTDOWN; its argument says how much still reaches the disk."""
NOTHING_MORE = 2
"""Argument for neither data nor journal, as if the disk had been pulled out."""


@dataclass
class Disk:
    """A mounted ext4 in an image file."""

    image: Path
    folder: Path

    def mount(self) -> None:
        subprocess.run(["mount", "-o", "loop", self.image, self.folder], check=True)

    def unmount(self) -> None:
        subprocess.run(["umount", self.folder], check=True)

    def pull_out(self) -> None:
        """Let every write fail from now on, and lose whatever was not synced."""
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, SHUT_DOWN, struct.pack("I", NOTHING_MORE))
        finally:
            os.close(descriptor)

    def put_back(self) -> None:
        self.unmount()
        self.mount()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    image, folder = tmp_path / "disk", tmp_path / "mounted"
    with image.open("wb") as file:
        file.truncate(64 * 1024**2)
    folder.mkdir()
    mkfs = require_program("mkfs.ext4", "e2fsprogs")
    subprocess.run([mkfs, "-q", "-F", image], check=True)
    mounted = Disk(image, folder)
    mounted.mount()
    yield mounted
    mounted.unmount()


def pause(reached: threading.Event, resumed: threading.Event) -> Behaviour:
    """Send most of the body, and the rest once *resumed* is set."""

    def behave(exchange: Exchange) -> None:
        exchange.send(response_head("200 OK", ETAG, f"Content-Length: {len(BODY)}") + BODY[:FIRST])
        reached.set()
        resumed.wait(60)
        exchange.send(BODY[FIRST:])

    return behave


@pytest.mark.parametrize("synced", [False, True], ids=["early", "after a sync"])
def test_next_attempt_resumes_when_the_volume_is_back(
    server: FaultServer, disk: Disk, tmp_path: Path, synced: bool
) -> None:
    pod = Pod(disk.folder, tmp_path / "termination-log")
    reached, resumed = threading.Event(), threading.Event()
    url = server.on("/x", pause(reached, resumed), ranged(BODY))
    process = pod.start(url)
    assert reached.wait(30)
    wait_for(
        "the partial file",
        lambda: sum(path.stat().st_size for path in pod.partial_files()) > 4_000_000,
    )
    if synced:
        os.sync()
    disk.pull_out()
    resumed.set()
    attempt = pod.finish(process)
    assert attempt.outcome == (EXIT_RETRY, "WriteFailed"), attempt.out
    assert "The volume cannot be written" in (attempt.result.message or "")
    assert "check that it is healthy" in (attempt.result.message or "")

    without_disk = pod.run(url)
    assert without_disk.outcome == (EXIT_RETRY, "WriteFailed"), without_disk.out

    disk.put_back()
    assert [name for name in pod.files() if ".part" not in name] == []
    attempt = pod.run(url)
    assert attempt.code == EXIT_DONE, attempt.out
    assert attempt.result.sha256 == hashlib.sha256(BODY).hexdigest()
    assert list(pod.files().values()) == [BODY]
    assert pod.partial_files() == []
    if synced:
        assert (requested_ranges(server)[-1] or 0) > 1_000_000
