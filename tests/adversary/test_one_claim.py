"""One claim with hostile schedules: none puts anything into another's way.

The workers are processes of the user that Pods have, and the claim is as the kubelet leaves it with
`fsGroup`.
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from download_operator.settings import WORKER_USER
from download_worker.volume.manifest import FOLDER
from download_worker.volume.safe_paths import LOCK_SECONDS
from download_worker.volume.save import file_prefix
from tests.support.attempts import Pod
from tests.support.http_faults import BODY, FaultServer, respond, stall
from tests.support.http_ranges import LARGE, ranged, requested_ranges
from tools.cluster.kubectl import wait_for

IS_ROOT = os.geteuid() == 0
JOBS = [f"victim-{29923320 + minute}" for minute in range(3)]


@pytest.fixture
def pod() -> Iterator[Pod]:
    """What the kubelet gives each Pod; not in pytest's folders, which other users cannot enter."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        data, logs = root / "data", root / "logs"
        data.mkdir()
        logs.mkdir()
        root.chmod(0o755)
        logs.chmod(0o777)
        if IS_ROOT:
            os.chown(data, 0, WORKER_USER)
        data.chmod(0o2775)
        yield Pod(data, logs / "termination-log", user=WORKER_USER if IS_ROOT else None)


def neighbour(pod: Pod) -> Pod:
    """Return a Pod of another schedule on the same claim."""
    return Pod(pod.data, pod.termination_log.with_name("neighbour"), user=pod.user)


def run_victim(pod: Pod, url: str, job: str) -> str:
    """Make a run of the schedule `victim`, which must succeed; return its log."""
    attempt = pod.run(url, name="victim", keep_last=2, only_if_changed=True, DOWNLOAD_JOB=job)
    assert attempt.code == 0, attempt.out
    return attempt.out


@pytest.mark.parametrize(
    "path",
    [
        "team/victim/20261123T020000Z-report.csv",
        "team/victim/{scheduled}-{filename}",
        "{namespace}/victim/{filename}",
        "team/victim",
        "team",
        "{namespace}/{filename}",
        "{filename}",
        "{namespace}/{name}",
        "{namespace}/{name}x/report.csv",
        "{name}/{namespace}/report.csv",
        "{namespace}/{name}/../victim/report.csv",
        "{namespace}/{name}/.",
        "{namespace}/{name}/",
        "{namespace}//victim/report.csv",
        "./team/victim/report.csv",
        "/team/victim/report.csv",
        f"{FOLDER}/team.victim.json",
        f"{FOLDER}",
    ],
)
def test_path_out_of_the_own_folder_is_refused(pod: Pod, server: FaultServer, path: str) -> None:
    """Whatever the operator lets through: the worker judges once more."""
    hostile_name = "Content-Disposition: attachment; filename=victim"
    url = server.on("/report.csv", respond(200, b"forged", hostile_name))

    attempt = neighbour(pod).run(url, path=path, name="hostile", overwrite=True, keep_last=1)

    assert attempt.outcome == (10, "InvalidPath"), attempt.out
    assert sorted(file.name for file in pod.data.iterdir()) == [FOLDER]
    assert list((pod.data / FOLDER).iterdir()) == []
    run_victim(pod, server.on("/report.csv", respond(200)), JOBS[0])
    assert list(pod.files().values()) == [BODY]


@pytest.mark.parametrize(
    "name", ["../victim/x", "..%2fvictim%2fx", "team/victim/x", "/team/victim", "..\\victim\\x"]
)
def test_server_cannot_name_a_file_out_of_the_folder(
    pod: Pod, server: FaultServer, name: str
) -> None:
    disposition = f'Content-Disposition: attachment; filename="{name}"'
    url = server.on("/x", respond(200, BODY, disposition))

    assert neighbour(pod).run(url, name="hostile").code == 0

    (file,) = pod.files()
    assert file.startswith("team/hostile/20261123T020000Z-")
    assert file.count("/") == 2


LONG = "v" * 240
"""A name that is too long to be that of a manifest, and is shortened there."""


@pytest.mark.parametrize(
    ("victim", "hostile"),
    [
        ("victim", "victim.json"),
        ("victim", "victim.json.new"),
        ("victim", "victim.0123456789abcdef"),
        ("victim", "victim.0123456789abcdef.part"),
        ("victim", "victim.0123456789abcdef.part.jsonl"),
        ("victim", "victim.1.2.commit"),
        ("victim", "victi"),
        (LONG, file_prefix(f"team.{LONG}").removeprefix("team.")),
    ],
)
def test_schedule_with_a_similar_name_has_its_own_files(
    pod: Pod, server: FaultServer, victim: str, hostile: str
) -> None:
    other = neighbour(pod)
    saved = pod.run(server.on("/1", respond(200, b"1")), name=victim, DOWNLOAD_JOB=JOBS[0])
    assert saved.code == 0, saved.out
    url = server.on("/x", ranged(cut_after=2_000_000), ranged())
    assert pod.run(url, name=victim, DOWNLOAD_JOB=JOBS[1]).code == 20
    before = {path: path.read_bytes() for path in pod.data.rglob("*") if path.is_file()}

    for number, job in enumerate(JOBS):
        body = respond(200, b"%d" % number)
        attempt = other.run(server.on("/y", body), name=hostile, keep_last=1, DOWNLOAD_JOB=job)
        assert attempt.code == 0, attempt.out

    assert {path: path.read_bytes() for path in before} == before
    resumed = pod.run(url, name=victim, DOWNLOAD_JOB=JOBS[2])
    assert resumed.code == 0, resumed.out
    assert LARGE in pod.files().values()
    assert requested_ranges(server)[-1]


def test_run_does_not_wait_for_a_neighbour_that_is_downloading(
    pod: Pod, server: FaultServer
) -> None:
    hostile = neighbour(pod).start(server.on("/x", stall(1)), name="hostile")
    wait_for("the partial file", pod.partial_files)

    log = run_victim(pod, server.on("/y", respond(200)), JOBS[0])

    assert "lock" not in log
    hostile.terminate()
    neighbour(pod).finish(hostile)


def put_link(path: Path) -> None:
    """Lead the victim's files into the neighbour's folder."""
    (path.parent / "hostile").mkdir()
    path.symlink_to("hostile")


def put_link_out_of_the_claim(path: Path) -> None:
    """Lead the victim's files past the claim's root."""
    outside = path.parents[2] / "outside"
    outside.mkdir(exist_ok=True)
    outside.chmod(0o777)
    path.symlink_to(outside)


@pytest.mark.parametrize("put", [put_link, put_link_out_of_the_claim, os.mkfifo, Path.touch])
def test_what_others_put_in_place_of_a_folder_ends_the_run_at_once(
    pod: Pod, server: FaultServer, put: Callable[[Path], None]
) -> None:
    """Somebody with another way to the claim can be in the way, but leads no file astray."""
    (pod.data / "team").mkdir()
    put(pod.data / "team" / "victim")
    began = time.monotonic()

    attempt = pod.run(server.on("/x", respond(200)), name="victim")

    assert attempt.outcome == (10, "UnsafePath"), attempt.out
    assert time.monotonic() - began < LOCK_SECONDS
    assert BODY not in bodies(pod)


@pytest.mark.parametrize("put", [put_link_out_of_the_claim, os.mkfifo])
@pytest.mark.parametrize(
    "path", [FOLDER, f"{FOLDER}/team.victim.json", f"{FOLDER}/.team.victim.json.new"]
)
def test_what_others_put_in_place_of_the_manifests_leads_no_file_astray(
    pod: Pod, server: FaultServer, path: str, put: Callable[[Path], None]
) -> None:
    placed = pod.data / path
    placed.parent.mkdir(exist_ok=True)
    placed.parent.chmod(0o777)
    put(placed)
    began = time.monotonic()

    attempt = pod.run(server.on("/x", respond(200)), name="victim", keep_last=1)

    assert attempt.outcome in {(0, None), (10, "UnsafePath")}, attempt.out
    assert time.monotonic() - began < LOCK_SECONDS
    assert list((pod.data.parent / "outside").glob("*")) == []


def bodies(pod: Pod) -> list[bytes]:
    """Return what is in all files of the claim, and of what links lead to."""
    files = [path for path in pod.data.parent.rglob("*") if path.is_file()]
    return [path.read_bytes() for path in files]


@pytest.mark.parametrize("overwrite", [True, False])
def test_file_of_somebody_else_is_replaced_only_on_request(
    pod: Pod, server: FaultServer, overwrite: bool
) -> None:
    path = "team/victim/settings.conf"
    (pod.data / path).parent.mkdir(parents=True)
    (pod.data / path).write_text("by hand")
    if IS_ROOT:
        os.chown((pod.data / path).parent, WORKER_USER, WORKER_USER)

    attempt = pod.run(server.on("/x", respond(200)), name="victim", path=path, overwrite=overwrite)

    expected = (0, None) if overwrite else (10, "FileExists")
    assert attempt.outcome == expected, attempt.out
    assert pod.files() == {path: BODY if overwrite else b"by hand"}
