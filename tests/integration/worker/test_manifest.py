"""The manifest of a schedule: unchanged files, and the last few that it keeps."""

import hashlib
import itertools
import json
import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from download_worker.volume.manifest import FOLDER
from tests.support.attempts import PATH, Pod
from tests.support.http_faults import BODY, Exchange, FaultServer, respond, response_head
from tools.cluster.kubectl import wait_for

ETAG = '"one"'
MANIFEST = f"{FOLDER}/team.nightly.json"
FREE = {"free_path": True}


def respond_with_etag(exchange: Exchange) -> None:
    """Respond as a server with ETags does."""
    if f"If-None-Match: {ETAG}" in exchange.request:
        exchange.send(response_head("304 Not Modified", f"ETag: {ETAG}"))
    else:
        respond(200, BODY, f"ETag: {ETAG}")(exchange)


def test_unchanged_file_costs_one_request_and_no_file(pod: Pod, server: FaultServer) -> None:
    url = server.on("/x.csv", respond_with_etag)
    first = pod.run(url, only_if_changed=True)
    second = pod.run(url, only_if_changed=True, DOWNLOAD_JOB="nightly-29923321")
    assert (first.code, second.code) == (0, 0)
    assert not first.result.unchanged
    assert (second.result.unchanged, second.result.httpStatus) == (True, 304)
    assert second.result.location == first.result.location
    assert second.result.sha256 == hashlib.sha256(BODY).hexdigest()
    assert len(pod.files()) == 1
    assert len(server.requests) == 2


def test_last_modified_is_used_without_an_etag(pod: Pod, server: FaultServer) -> None:
    date = "Mon, 23 Nov 2026 02:00:00 GMT"
    url = server.on("/x", respond(200, BODY, f"Last-Modified: {date}"))
    for _ in range(2):
        assert pod.run(url, only_if_changed=True).code == 0
    assert f"If-Modified-Since: {date}" in server.requests[1]


def test_file_modified_in_the_second_of_its_response_is_fetched_again(
    pod: Pod, server: FaultServer
) -> None:
    """The file may have changed again in that second."""
    date = "Mon, 23 Nov 2026 02:00:00 GMT"
    dates = f"Last-Modified: {date}", f"Date: {date}"
    url = server.on("/x", respond(200, b"half", *dates), respond(200, b"whole", *dates))
    attempts = [pod.run(url, only_if_changed=True) for _ in range(2)]
    assert [attempt.result.unchanged for attempt in attempts] == [None, None]
    assert "If-Modified-Since" not in server.requests[1]
    assert list(pod.files().values()) == [b"whole"]


def test_digest_shows_that_nothing_changed_without_validators(
    pod: Pod, server: FaultServer
) -> None:
    url = server.on("/x", respond(200, BODY), respond(200, BODY), respond(200, BODY + b"new"))
    jobs = [f"nightly-2992332{number}" for number in range(3)]
    attempts = [pod.run(url, only_if_changed=True, DOWNLOAD_JOB=job) for job in jobs]
    assert [attempt.result.unchanged for attempt in attempts] == [None, True, None]
    assert len(pod.files()) == 2


def test_removed_file_is_fetched_again(pod: Pod, server: FaultServer) -> None:
    url = server.on("/x", respond_with_etag)
    pod.run(url, only_if_changed=True)
    (path,) = pod.files()
    (pod.data / path).unlink()
    assert not pod.run(url, only_if_changed=True).result.unchanged
    assert list(pod.files()) == [path]


def test_file_from_another_url_is_not_the_previous_file(pod: Pod, server: FaultServer) -> None:
    pod.run(server.on("/x", respond_with_etag), only_if_changed=True)
    pod.run(server.on("/y", respond_with_etag), only_if_changed=True)
    assert "If-None-Match" not in server.requests[1]


def test_keep_last_removes_only_older_files_of_the_schedule(pod: Pod, server: FaultServer) -> None:
    url = server.on("/x.csv", respond(200, BODY))
    other = pod.data / "team" / "nightly" / "mine.csv"
    other.parent.mkdir(parents=True)
    other.write_bytes(b"mine")
    for minute in range(4):
        assert pod.run(url, keep_last=2, DOWNLOAD_JOB=f"nightly-2992332{minute}").code == 0
    assert pod.names() == ["20261123T020200Z-x.csv", "20261123T020300Z-x.csv", "mine.csv"]


def test_file_overwritten_by_somebody_else_is_not_removed(pod: Pod, server: FaultServer) -> None:
    url = server.on("/x.csv", respond(200, BODY))
    pod.run(url, keep_last=1, DOWNLOAD_JOB="nightly-29923320")
    (path,) = pod.files()
    (pod.data / path).unlink()
    (pod.data / path).write_bytes(b"somebody else's")
    pod.run(url, keep_last=1, DOWNLOAD_JOB="nightly-29923321")
    assert pod.files()[path] == b"somebody else's"


def test_path_without_a_tick_is_one_file(pod: Pod, server: FaultServer) -> None:
    url = server.on("/x.csv", respond(200, BODY), respond(200, BODY + b"2"))
    for _ in range(2):
        assert pod.run(url, path="team/nightly/latest.csv", keep_last=1).code == 0
    assert pod.files() == {"team/nightly/latest.csv": BODY + b"2"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[1]",
        '[{"path": 1}]',
        json.dumps([{"path": "../../x", "inode": 1, "modified": 1, "source": "u", "sha256": "s"}]),
        json.dumps([{"path": "x", "inode": 1, "modified": 1, "source": "u", "sha256": "a\r\nb"}]),
        "[" * 100_000,
    ],
)
def test_invalid_manifest_is_ignored(pod: Pod, server: FaultServer, text: str) -> None:
    manifest = pod.data / MANIFEST
    manifest.parent.mkdir()
    manifest.write_text(text)
    outside = pod.data.parent / "x"
    outside.write_text("outside")
    url = server.on("/x.csv", respond(200, BODY))
    attempt = pod.run(url, keep_last=1, only_if_changed=True)
    assert attempt.code == 0, attempt.out
    assert list(pod.files().values()) == [BODY]
    assert outside.read_text() == "outside"


def test_invalid_digest_in_the_manifest_is_not_reported(pod: Pod, server: FaultServer) -> None:
    url = server.on("/x", respond_with_etag)
    pod.run(url, only_if_changed=True)
    manifest = pod.data / MANIFEST
    manifest.write_text(manifest.read_text().replace(hashlib.sha256(BODY).hexdigest(), "0"))
    attempt = pod.run(url, only_if_changed=True, overwrite=True)
    assert (attempt.code, attempt.result.unchanged) == (0, None), attempt.out
    assert attempt.result.sha256 == hashlib.sha256(BODY).hexdigest()


@pytest.mark.parametrize("path", [MANIFEST, f"{FOLDER}/team.other.json"])
def test_pipe_in_place_of_a_manifest_does_not_block(
    pod: Pod, server: FaultServer, path: str
) -> None:
    (pod.data / "x").write_bytes(b"not ours")
    (pod.data / FOLDER).mkdir()
    os.mkfifo(pod.data / path)
    options: dict[str, Any] = {"path": "x", "only_if_changed": True, **FREE, "overwrite": True}
    assert pod.run(server.on("/x", respond(200)), **options).code == 0
    assert pod.files() == {"x": BODY}


def test_failed_run_removes_nothing(pod: Pod, server: FaultServer) -> None:
    url = server.on("/x.csv", respond(200, BODY), respond(500))
    pod.run(url, keep_last=1, DOWNLOAD_JOB="nightly-29923320")
    before: dict[str, Any] = pod.files()
    assert pod.run(url, keep_last=1, DOWNLOAD_JOB="nightly-29923321").code == 20
    assert pod.files() == before


@pytest.mark.parametrize("overwrite", [False, True])
def test_file_of_another_schedule_is_not_overwritten(
    pod: Pod, server: FaultServer, overwrite: bool
) -> None:
    url = server.on("/x.csv", respond(200, BODY), respond(200, BODY + b"new"))
    assert pod.run(url, path="shared/{filename}", **FREE).code == 0
    other = pod.run(url, path="shared/{filename}", name="other", overwrite=overwrite, **FREE)
    assert other.outcome == (10, "UnsafePath"), other.out
    assert "of the schedule team.nightly" in (other.result.message or "")
    assert pod.files() == {"shared/x.csv": BODY}
    assert pod.run(url, path="shared/{filename}", **FREE).code == 0  # it may replace its own
    assert pod.files() == {"shared/x.csv": BODY + b"new"}


def test_path_taken_over_by_another_schedule_is_not_taken_back(
    pod: Pod, server: FaultServer
) -> None:
    assert pod.run(server.on("/x", respond(200)), path="x", **FREE).code == 0
    (pod.data / "x").unlink()
    url = server.on("/y", respond(200, b"other's"))
    assert pod.run(url, path="x", name="other", **FREE).code == 0
    attempt = pod.run(server.on("/x", respond(200)), path="x", **FREE)
    assert attempt.outcome == (10, "UnsafePath"), attempt.out
    assert pod.files() == {"x": b"other's"}


def test_file_that_another_schedule_wrote_during_the_download_is_not_overwritten(
    pod: Pod, server: FaultServer
) -> None:
    def run_other_schedule(exchange: Exchange) -> None:
        exchange.send(response_head("200 OK", f"Content-Length: {len(BODY)}") + BODY[:1])
        wait_for("the partial file", lambda: [*pod.data.rglob("*.part")])
        other = Pod(pod.data, pod.termination_log.with_name("other"))
        url = server.on("/y", respond(200, b"other's"))
        assert other.run(url, path="x", name="other", **FREE).code == 0
        exchange.send(BODY[1:])

    attempt = pod.run(server.on("/x", run_other_schedule), path="x", **FREE)
    assert attempt.outcome == (10, "UnsafePath"), attempt.out
    assert (pod.files(), pod.partial_files()) == ({"x": b"other's"}, [])


def test_file_of_no_schedule_is_replaced_only_on_request(pod: Pod, server: FaultServer) -> None:
    path = "team/nightly/x.csv"
    (pod.data / path).parent.mkdir(parents=True)
    (pod.data / path).write_bytes(b"not ours")
    url = server.on("/x.csv", respond(200))

    attempt = pod.run(url, path=path)
    assert attempt.outcome == (10, "FileExists"), attempt.out
    assert "overwrite: true" in (attempt.result.message or "")
    assert (pod.files(), pod.partial_files()) == ({path: b"not ours"}, [])

    assert pod.run(url, path=path, overwrite=True).code == 0
    assert pod.files() == {path: BODY}
    assert pod.run(url, path=path).code == 0  # by now it is the schedule's own


def test_file_that_somebody_put_there_during_the_download_is_not_replaced(
    pod: Pod, server: FaultServer
) -> None:
    def put_file(exchange: Exchange) -> None:
        exchange.send(response_head("200 OK", f"Content-Length: {len(BODY)}") + BODY[:1])
        wait_for("the partial file", lambda: [*pod.data.rglob("*.part")])
        (pod.data / "team/nightly/x").write_bytes(b"not ours")
        exchange.send(BODY[1:])

    attempt = pod.run(server.on("/x", put_file), path="team/nightly/x")
    assert attempt.outcome == (10, "FileExists"), attempt.out
    assert (pod.files(), pod.partial_files()) == ({"team/nightly/x": b"not ours"}, [])


def test_file_of_a_run_that_was_killed_at_any_step_is_replaced_by_the_next(
    pod: Pod, server: FaultServer
) -> None:
    url, path = server.on("/x", respond(200, BODY)), "team/nightly/x"
    killed, steps = True, 0
    while killed:
        steps += 1
        killed = pod.run(url, path=path, DIE_AT=str(steps)).code == -signal.SIGKILL
        attempt = pod.run(url, path=path)
        assert attempt.code == 0, attempt.out
        assert pod.files() == {path: BODY}
    assert steps > 5


@pytest.mark.parametrize("folder", [FOLDER, FOLDER.upper()])
def test_manifest_of_another_schedule_is_not_overwritten(
    pod: Pod, server: FaultServer, folder: str
) -> None:
    attempt = pod.run(server.on("/x", respond(200)), path=f"{folder}/team.other.json", **FREE)
    assert attempt.outcome == (10, "InvalidPath"), attempt.out


@pytest.mark.parametrize("hidden", ["\x07", "\x9f", "\u202e", "\u200b", "\u2028"])
def test_template_with_an_invisible_character_is_refused(
    pod: Pod, server: FaultServer, hidden: str
) -> None:
    attempt = pod.run(server.on("/x", respond(200)), path=f"team/nightly/a{hidden}b/x")
    assert attempt.outcome == (10, "InvalidPath"), attempt.out
    assert pod.files() == {}


def respond_together(
    exchange: Exchange, barrier: threading.Barrier, numbers: Iterator[int]
) -> None:
    """Respond to two runs at the same moment, each with a body and an ETag of its own."""
    barrier.wait(30)
    number = next(numbers)
    respond(200, BODY + b"%d" % number, f'ETag: "{number}"')(exchange)


@pytest.mark.parametrize("path", ["team/nightly/latest", PATH])
def test_manifest_is_right_after_two_runs_at_the_same_moment(
    pod: Pod, server: FaultServer, path: str
) -> None:
    barrier, numbers = threading.Barrier(2), itertools.count()
    url = server.on("/x", lambda exchange: respond_together(exchange, barrier, numbers))
    pods = [Pod(pod.data, pod.termination_log.with_name(name)) for name in ("one", "two")]

    for minute in range(0, 12, 2):
        processes = [
            attempt_pod.start(
                url, path=path, keep_last=3, DOWNLOAD_JOB=f"nightly-{29923320 + minute + i}"
            )
            for i, attempt_pod in enumerate(pods)
        ]
        attempts = [
            attempt_pod.finish(process)
            for attempt_pod, process in zip(pods, processes, strict=True)
        ]
        assert [attempt.code for attempt in attempts] == [0, 0], [a.out for a in attempts]

        entries = json.loads((pod.data / MANIFEST).read_text())
        recorded = {entry["path"]: entry for entry in entries}
        files = pod.files()
        assert set(recorded) == set(files)
        for name, body in files.items():
            assert recorded[name]["sha256"] == hashlib.sha256(body).hexdigest()
            etag = recorded[name]["etag"] or '""'  # only the last file has its own
            assert body.endswith(etag.strip('"').encode())

    assert len(pod.files()) == (3 if path == PATH else 1)
    assert pod.partial_files() == []
