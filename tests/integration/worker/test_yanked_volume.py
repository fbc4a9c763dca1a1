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
from tests.support.http_faults import Behaviour, Exchange, FaultServer, head
from tests.support.http_ranges import ETAG, ranged, ranges
from tests.support.kubectl import wait_for
from tools.cluster.host import is_root, require_program

pytestmark = pytest.mark.skipif(not is_root(), reason="mounts a file system, which needs root")

BODY = random.Random(4).randbytes(12_000_000)
FIRST = 8_000_000
SHUT_DOWN = 0x8004587D
"""EXT4_IOC_SHUTDOWN; what it takes says how much is still brought to the disk."""
NOTHING_MORE = 2
"""Neither data nor journal, as if the disk had been pulled out."""


@dataclass
class Disk:
    """An ext4 in a file, mounted."""

    image: Path
    place: Path

    def mount(self) -> None:
        subprocess.run(["mount", "-o", "loop", self.image, self.place], check=True)

    def unmount(self) -> None:
        subprocess.run(["umount", self.place], check=True)

    def pull_out(self) -> None:
        """Every write fails from here on, and what was not synced is lost."""
        folder = os.open(self.place, os.O_RDONLY)
        try:
            fcntl.ioctl(folder, SHUT_DOWN, struct.pack("I", NOTHING_MORE))
        finally:
            os.close(folder)

    def put_back(self) -> None:
        self.unmount()
        self.mount()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    image, place = tmp_path / "disk", tmp_path / "mounted"
    with image.open("wb") as file:
        file.truncate(64 * 1024**2)
    place.mkdir()
    mkfs = require_program("mkfs.ext4", "e2fsprogs")
    subprocess.run([mkfs, "-q", "-F", image], check=True)
    made = Disk(image, place)
    made.mount()
    yield made
    made.unmount()


def paused(reached: threading.Event, go_on: threading.Event) -> Behaviour:
    """Send a good part of the body, and the rest when told to."""

    def behave(exchange: Exchange) -> None:
        exchange.send(head("200 OK", ETAG, f"Content-Length: {len(BODY)}") + BODY[:FIRST])
        reached.set()
        go_on.wait(60)
        exchange.send(BODY[FIRST:])

    return behave


@pytest.mark.parametrize("synced", [False, True], ids=["early", "after a sync"])
def test_the_next_attempt_goes_on_when_the_volume_is_back(
    server: FaultServer, disk: Disk, tmp_path: Path, synced: bool
) -> None:
    pod = Pod(disk.place, tmp_path / "termination-log")
    reached, go_on = threading.Event(), threading.Event()
    url = server.on("/x", paused(reached, go_on), ranged(BODY))
    process = pod.start(url)
    assert reached.wait(30)
    wait_for("the part", lambda: sum(path.stat().st_size for path in pod.parts()) > 4_000_000)
    if synced:
        os.sync()
    disk.pull_out()
    go_on.set()
    ended = pod.end(process)
    assert (ended.code, ended.result.reason) == (EXIT_RETRY, "WriteFailed"), ended.out
    assert "The volume cannot be written" in (ended.result.message or "")
    assert "check that it is healthy" in (ended.result.message or "")

    away = pod.run(url)
    assert (away.code, away.result.reason) == (EXIT_RETRY, "WriteFailed"), away.out

    disk.put_back()
    assert [name for name in pod.files() if ".part" not in name] == []
    ended = pod.run(url)
    assert ended.code == EXIT_DONE, ended.out
    assert ended.result.sha256 == hashlib.sha256(BODY).hexdigest()
    assert list(pod.files().values()) == [BODY]
    assert pod.parts() == []
    if synced:
        assert (ranges(server)[-1] or 0) > 1_000_000
