"""What a schedule remembers on its volume: unchanged files, and the last few of them."""

import dataclasses
import errno
import hashlib
import itertools
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from download_worker.volume.manifest import FOLDER, MAX_FILES, Memory, Written
from download_worker.volume.output_file import File
from download_worker.volume.partial_files import Parts
from tests.support.attempts import Pod
from tests.support.http_faults import BODY, Exchange, FaultServer, answer, head
from tests.support.kubectl import wait_for

ETAG = '"one"'
RECORD = f"{FOLDER}/team.nightly.json"


def tagged(exchange: Exchange) -> None:
    """Answer as a server with ETags does."""
    if f"If-None-Match: {ETAG}" in exchange.head:
        exchange.send(head("304 Not Modified", f"ETag: {ETAG}"))
    else:
        answer(200, BODY, f"ETag: {ETAG}")(exchange)


def names(pod: Pod) -> list[str]:
    return sorted(path.rpartition("/")[2] for path in pod.files())


def test_an_unchanged_file_costs_one_request_and_no_file(pod: Pod, server: FaultServer) -> None:
    url = server.on("/x.csv", tagged)
    first = pod.run(url, only_if_changed=True)
    second = pod.run(url, only_if_changed=True, DOWNLOAD_JOB="nightly-29923321")
    assert (first.code, second.code) == (0, 0)
    assert not first.result.unchanged
    assert (second.result.unchanged, second.result.httpStatus) == (True, 304)
    assert second.result.location == first.result.location
    assert second.result.sha256 == hashlib.sha256(BODY).hexdigest()
    assert len(pod.files()) == 1
    assert len(server.heads) == 2


def test_last_modified_serves_where_there_is_no_etag(pod: Pod, server: FaultServer) -> None:
    date = "Mon, 23 Nov 2026 02:00:00 GMT"
    url = server.on("/x", answer(200, BODY, f"Last-Modified: {date}"))
    for _ in range(2):
        assert pod.run(url, only_if_changed=True).code == 0
    assert f"If-Modified-Since: {date}" in server.heads[1]


def test_a_file_modified_in_the_second_of_its_answer_is_asked_for_anew(
    pod: Pod, server: FaultServer
) -> None:
    """It may have been changed again in that second."""
    date = "Mon, 23 Nov 2026 02:00:00 GMT"
    dates = f"Last-Modified: {date}", f"Date: {date}"
    url = server.on("/x", answer(200, b"half", *dates), answer(200, b"whole", *dates))
    ended = [pod.run(url, only_if_changed=True) for _ in range(2)]
    assert [each.result.unchanged for each in ended] == [None, None]
    assert "If-Modified-Since" not in server.heads[1]
    assert list(pod.files().values()) == [b"whole"]


def test_without_validators_the_digest_tells(pod: Pod, server: FaultServer) -> None:
    url = server.on("/x", answer(200, BODY), answer(200, BODY), answer(200, BODY + b"new"))
    jobs = [f"nightly-2992332{number}" for number in range(3)]
    ended = [pod.run(url, only_if_changed=True, DOWNLOAD_JOB=job) for job in jobs]
    assert [each.result.unchanged for each in ended] == [None, True, None]
    assert len(pod.files()) == 2


def test_a_file_that_was_taken_away_is_fetched_again(pod: Pod, server: FaultServer) -> None:
    url = server.on("/x", tagged)
    pod.run(url, only_if_changed=True)
    (path,) = pod.files()
    (pod.data / path).unlink()
    assert not pod.run(url, only_if_changed=True).result.unchanged
    assert list(pod.files()) == [path]


def test_another_url_is_another_file(pod: Pod, server: FaultServer) -> None:
    pod.run(server.on("/x", tagged), only_if_changed=True)
    pod.run(server.on("/y", tagged), only_if_changed=True)
    assert "If-None-Match" not in server.heads[1]


def test_the_last_ones_stay_and_others_files_do_too(pod: Pod, server: FaultServer) -> None:
    url = server.on("/x.csv", answer(200, BODY))
    foreign = pod.data / "team" / "nightly" / "mine.csv"
    foreign.parent.mkdir(parents=True)
    foreign.write_bytes(b"mine")
    for minute in range(4):
        assert pod.run(url, keep_last=2, DOWNLOAD_JOB=f"nightly-2992332{minute}").code == 0
    assert names(pod) == ["20261123T020200Z-x.csv", "20261123T020300Z-x.csv", "mine.csv"]


def test_a_file_written_over_by_somebody_else_is_not_removed(pod: Pod, server: FaultServer) -> None:
    url = server.on("/x.csv", answer(200, BODY))
    pod.run(url, keep_last=1, DOWNLOAD_JOB="nightly-29923320")
    (path,) = pod.files()
    (pod.data / path).unlink()
    (pod.data / path).write_bytes(b"somebody else's")
    pod.run(url, keep_last=1, DOWNLOAD_JOB="nightly-29923321")
    assert pod.files()[path] == b"somebody else's"


def test_one_name_for_every_run_is_one_file(pod: Pod, server: FaultServer) -> None:
    url = server.on("/x.csv", answer(200, BODY), answer(200, BODY + b"2"))
    for _ in range(2):
        assert pod.run(url, path="latest.csv", keep_last=1).code == 0
    assert pod.files() == {"latest.csv": BODY + b"2"}


@pytest.mark.parametrize(
    "record",
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
def test_a_record_that_is_rubbish_harms_nobody(pod: Pod, server: FaultServer, record: str) -> None:
    file = pod.data / RECORD
    file.parent.mkdir()
    file.write_text(record)
    victim = pod.data.parent / "x"
    victim.write_text("outside")
    url = server.on("/x.csv", answer(200, BODY))
    ended = pod.run(url, keep_last=1, only_if_changed=True)
    assert ended.code == 0, ended.out
    assert list(pod.files().values()) == [BODY]
    assert victim.read_text() == "outside"


def test_a_digest_that_is_none_is_not_reported(pod: Pod, server: FaultServer) -> None:
    url = server.on("/x", tagged)
    pod.run(url, only_if_changed=True)
    record = pod.data / RECORD
    record.write_text(record.read_text().replace(hashlib.sha256(BODY).hexdigest(), "0"))
    ended = pod.run(url, only_if_changed=True)
    assert (ended.code, ended.result.unchanged) == (0, None), ended.out
    assert ended.result.sha256 == hashlib.sha256(BODY).hexdigest()


@pytest.mark.parametrize("whose", [RECORD, f"{FOLDER}/team.other.json"])
def test_a_pipe_in_the_place_of_a_record_is_not_waited_for(
    pod: Pod, server: FaultServer, whose: str
) -> None:
    (pod.data / "x").write_bytes(b"by hand")
    (pod.data / FOLDER).mkdir()
    os.mkfifo(pod.data / whose)
    assert pod.run(server.on("/x", answer(200)), path="x", only_if_changed=True).code == 0
    assert pod.files() == {"x": BODY}


def test_a_run_that_fails_removes_nothing(pod: Pod, server: FaultServer) -> None:
    url = server.on("/x.csv", answer(200, BODY), answer(500))
    pod.run(url, keep_last=1, DOWNLOAD_JOB="nightly-29923320")
    before: dict[str, Any] = pod.files()
    assert pod.run(url, keep_last=1, DOWNLOAD_JOB="nightly-29923321").code == 20
    assert pod.files() == before


def test_a_file_of_another_schedule_is_not_overwritten(pod: Pod, server: FaultServer) -> None:
    url = server.on("/x.csv", answer(200, BODY), answer(200, BODY + b"new"))
    assert pod.run(url, path="shared/{filename}").code == 0
    other = pod.run(url, path="shared/{filename}", name="other")
    assert (other.code, other.result.reason) == (10, "UnsafePath"), other.out
    assert "of the schedule team.nightly" in (other.result.message or "")
    assert pod.files() == {"shared/x.csv": BODY}
    assert pod.run(url, path="shared/{filename}").code == 0  # its own it may replace
    assert pod.files() == {"shared/x.csv": BODY + b"new"}


def test_a_name_that_another_schedule_has_taken_over_is_not_taken_back(
    pod: Pod, server: FaultServer
) -> None:
    assert pod.run(server.on("/x", answer(200)), path="x").code == 0
    (pod.data / "x").unlink()
    assert pod.run(server.on("/y", answer(200, b"other's")), path="x", name="other").code == 0
    ended = pod.run(server.on("/x", answer(200)), path="x")
    assert (ended.code, ended.result.reason) == (10, "UnsafePath"), ended.out
    assert pod.files() == {"x": b"other's"}


def test_a_file_that_another_schedule_wrote_meanwhile_is_not_overwritten(
    pod: Pod, server: FaultServer
) -> None:
    def write_another(exchange: Exchange) -> None:
        exchange.send(head("200 OK", f"Content-Length: {len(BODY)}") + BODY[:1])
        wait_for("the part of the run", lambda: [*pod.data.rglob("*.part")])
        other = Pod(pod.data, pod.report.with_name("other"))
        assert other.run(server.on("/y", answer(200, b"other's")), path="x", name="other").code == 0
        exchange.send(BODY[1:])

    ended = pod.run(server.on("/x", write_another), path="x")
    assert (ended.code, ended.result.reason) == (10, "UnsafePath"), ended.out
    assert (pod.files(), pod.parts()) == ({"x": b"other's"}, [])


def test_a_file_that_nobody_keeps_may_be_replaced(pod: Pod, server: FaultServer) -> None:
    (pod.data / "x.csv").write_bytes(b"by hand")
    assert pod.run(server.on("/x.csv", answer(200)), path="{filename}").code == 0
    assert pod.files() == {"x.csv": BODY}


@pytest.mark.parametrize("folder", [FOLDER, FOLDER.upper()])
def test_the_memory_of_another_schedule_is_not_overwritten(
    pod: Pod, server: FaultServer, folder: str
) -> None:
    ended = pod.run(server.on("/x", answer(200)), path=f"{folder}/team.other.json")
    assert (ended.code, ended.result.reason) == (10, "InvalidPath"), ended.out


@pytest.mark.parametrize("hidden", ["\x07", "\x9f", "\u202e", "\u200b", "\u2028"])
def test_a_template_carries_no_hidden_characters(
    pod: Pod, server: FaultServer, hidden: str
) -> None:
    ended = pod.run(server.on("/x", answer(200)), path=f"a{hidden}b/x")
    assert (ended.code, ended.result.reason) == (10, "InvalidPath"), ended.out
    assert pod.files() == {}


def at_once(exchange: Exchange, meeting: threading.Barrier, count: Iterator[int]) -> None:
    """Answer two runs at the same moment, each with a body and an ETag of its own."""
    meeting.wait(30)
    number = next(count)
    answer(200, BODY + b"%d" % number, f'ETag: "{number}"')(exchange)


@pytest.mark.parametrize("path", ["latest", "{scheduled}-{filename}"])
def test_two_runs_at_the_same_moment_remember_what_is_there(
    pod: Pod, server: FaultServer, path: str
) -> None:
    meeting, count = threading.Barrier(2), itertools.count()
    url = server.on("/x", lambda exchange: at_once(exchange, meeting, count))
    pods = [Pod(pod.data, pod.report.with_name(name)) for name in ("one", "two")]
    for minute in range(0, 12, 2):
        runs = [
            each.start(url, path=path, keep_last=3, DOWNLOAD_JOB=f"nightly-{29923320 + minute + i}")
            for i, each in enumerate(pods)
        ]
        ended = [each.end(process) for each, process in zip(pods, runs, strict=True)]
        assert [each.code for each in ended] == [0, 0], [each.out for each in ended]
        remembered = {each["path"]: each for each in json.loads((pod.data / RECORD).read_text())}
        files = pod.files()
        assert set(remembered) == set(files)
        for name, body in files.items():
            assert remembered[name]["sha256"] == hashlib.sha256(body).hexdigest()
            etag = remembered[name]["etag"] or '""'  # the last one has its own
            assert body.endswith(etag.strip('"').encode())
    assert len(pod.files()) == (1 if path == "latest" else 3)
    assert pod.parts() == []


def test_a_file_replaced_before_it_is_remembered_is_not_taken_for_the_new_one(
    tmp_path: Path,
) -> None:
    memory = Memory(tmp_path, "team.nightly")
    files = [File(Parts(tmp_path, "parts", "x").new(), tmp_path, "latest") for _ in range(2)]
    for file in files:
        file.commit("")
    memory.add(memory.note("latest", files[1].inode, "u", "2" * 64, {}), None)
    with pytest.raises(FileNotFoundError):
        memory.note("latest", files[0].inode, "u", "1" * 64, {})
    stale = dataclasses.replace(memory.files[0], inode=files[0].inode, sha256="1" * 64)
    memory.add(stale, None)
    assert [each.sha256 for each in Memory.read(tmp_path, "team.nightly").files] == ["2" * 64]


def test_as_many_files_as_keep_last_can_be_are_remembered(tmp_path: Path) -> None:
    url, etag = "http://example.com/" + "u" * 2029, '"e"'
    old = Written("/".join(["a" * 200] * 5), 1, 1, "", "0" * 64)
    many = [dataclasses.replace(old, path=f"{old.path}{n}") for n in range(MAX_FILES)]
    (tmp_path / FOLDER).mkdir()
    (tmp_path / RECORD).write_text(json.dumps([dataclasses.asdict(each) for each in many]))
    memory = Memory(tmp_path, "team.nightly")
    for name in ("last but one", "last"):
        file = File(Parts(tmp_path, "parts", "x").new(), tmp_path, name)
        file.commit("")
        memory.add(memory.note(name, file.inode, url, "0" * 64, {"etag": etag}), MAX_FILES)
    files = Memory.read(tmp_path, "team.nightly").files
    assert len(files) == MAX_FILES
    assert [(each.source, each.etag) for each in files[-2:]] == [("", None), (url, etag)]


def test_a_file_that_cannot_be_removed_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = Memory(tmp_path, "team.nightly")
    unlink = os.unlink

    def refuse(name: str, *, dir_fd: int | None = None) -> None:
        if name == "one":
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
        unlink(name, dir_fd=dir_fd)

    def write(name: str) -> list[str]:
        file = File(Parts(tmp_path, "parts", "x").new(), tmp_path, name)
        file.commit("")
        memory.add(memory.note(name, file.inode, "u", "0" * 64, {}), 1)
        return [each.path for each in Memory.read(tmp_path, "team.nightly").files]

    with monkeypatch.context() as patched:
        patched.setattr(os, "unlink", refuse)
        assert [write(name) for name in ("one", "two")] == [["one"], ["one", "two"]]
    assert write("three") == ["three"]
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["three"]
