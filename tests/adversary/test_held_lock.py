"""A neighbour on the volume that holds the lock of the manifests and never lets go."""

import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Iterator

import pytest

from download_schedule.attempt.result import decode
from download_worker.volume.manifest import FOLDER
from download_worker.volume.safe_paths import LOCK_SECONDS
from tests.support.attempts import Pod
from tests.support.http_faults import FaultServer, respond


@pytest.fixture
def _held_lock(pod: Pod) -> Iterator[None]:
    """Hold it as somebody does who may only read the folder."""
    (pod.data / FOLDER).mkdir()
    folder = os.open(pod.data / FOLDER, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    yield
    os.close(folder)


def wait_for_report(pod: Pod, process: subprocess.Popen[str]) -> None:
    while not (pod.termination_log.exists() and pod.termination_log.read_text()):
        assert process.poll() is None
        time.sleep(0.02)


@pytest.mark.usefixtures("_held_lock")
def test_held_lock_delays_a_run_by_ten_seconds(pod: Pod, server: FaultServer) -> None:
    process = pod.start(server.on("/x", respond(200, b"body")), keep_last=1)

    wait_for_report(pod, process)
    began = time.monotonic()
    attempt = pod.finish(process)

    assert attempt.code == 0
    assert "going on without the lock" in attempt.out
    assert LOCK_SECONDS - 2 < time.monotonic() - began < LOCK_SECONDS + 20
    assert len(list((pod.data / FOLDER).glob("*.json"))) == 1


@pytest.mark.usefixtures("_held_lock")
def test_stopped_run_reports_the_file_that_it_saved(pod: Pod, server: FaultServer) -> None:
    process = pod.start(server.on("/x", respond(200, b"body")))

    wait_for_report(pod, process)
    reported = decode(pod.termination_log.read_text())
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    attempt = pod.finish(process)

    assert time.monotonic() - began < LOCK_SECONDS - 2
    assert (attempt.code, attempt.result) == (0, reported)
    assert reported.bytes == 4
    assert list(pod.files().values()) == [b"body"]
