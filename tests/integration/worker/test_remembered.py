"""What stays remembered when servers say odd things, and when nothing is new."""

import gzip
import shutil
from pathlib import Path
from typing import Any

import pytest

from download_worker.volume.manifest import FOLDER, Memory
from download_worker.volume.output_file import File
from download_worker.volume.partial_files import Parts
from tests.integration.worker.test_memory import RECORD, names
from tests.support.attempts import Pod
from tests.support.http_faults import BODY, Exchange, FaultServer, answer, head

JOBS = [f"nightly-{29923320 + minute}" for minute in range(4)]


@pytest.mark.parametrize("field", ['ETag: "a\tb"', 'ETag: "a\x85b"', "Last-Modified: a\xa0b"])
def test_a_field_that_is_not_to_be_seen_costs_no_memory(
    pod: Pod, server: FaultServer, field: str
) -> None:
    url = server.on("/x", answer(200, BODY, field))
    ended = [pod.run(url, keep_last=1, only_if_changed=True, DOWNLOAD_JOB=job) for job in JOBS[:2]]
    assert [each.code for each in ended] == [0, 0], ended[1].out
    assert ended[1].result.unchanged
    assert pod.run(url, keep_last=1, DOWNLOAD_JOB=JOBS[2]).code == 0
    assert names(pod) == ["20261123T020200Z-x"]


def test_what_comes_again_under_another_etag_is_asked_for_by_that(
    pod: Pod, server: FaultServer
) -> None:
    url = server.on("/x", answer(200, BODY, 'ETag: "1"'), answer(200, BODY, 'ETag: "2"'))
    ended = [pod.run(url, only_if_changed=True, DOWNLOAD_JOB=job) for job in JOBS[:3]]
    assert [each.result.unchanged for each in ended] == [None, True, True]
    assert 'If-None-Match: "1"' in server.heads[1]
    assert 'If-None-Match: "2"' in server.heads[2]
    assert names(pod) == ["20261123T020000Z-x"]


def test_keep_last_holds_where_nothing_is_new_too(pod: Pod, server: FaultServer) -> None:
    url = server.on("/x", *(answer(200, b"%d" % i, f'ETag: "{i}"') for i in range(3)))
    for job in JOBS[:3]:
        pod.run(url, only_if_changed=True, keep_last=9, DOWNLOAD_JOB=job)
    server.on("/x", answer(304, b""))
    ended = pod.run(url, only_if_changed=True, keep_last=2, DOWNLOAD_JOB=JOBS[3])
    assert ended.result.unchanged
    assert names(pod) == ["20261123T020100Z-x", "20261123T020200Z-x"]
    again = pod.run(url, only_if_changed=True, keep_last=1, DOWNLOAD_JOB=JOBS[3])
    assert again.result.unchanged
    assert names(pod) == ["20261123T020200Z-x"]


def test_where_nothing_is_new_nothing_is_written(pod: Pod, server: FaultServer) -> None:
    url = server.on("/x", answer(200, BODY, 'ETag: "1"'), answer(304, b""))
    pod.run(url, only_if_changed=True, keep_last=1)
    before = (pod.data / RECORD).stat()
    assert pod.run(url, only_if_changed=True, keep_last=1).result.unchanged
    assert (pod.data / RECORD).stat().st_ino == before.st_ino


def test_a_file_that_is_not_the_last_one_any_more_does_not_become_it(tmp_path: Path) -> None:
    memory = Memory(tmp_path, "team.nightly")
    for name in ("one", "two"):
        file = File(Parts(tmp_path, "parts", "x").new(), tmp_path, name)
        file.commit("")
        memory.add(memory.note(name, file.inode, "u", "0" * 64, {}), None)
        if name == "one":
            one = memory.files[-1]
    memory.renew(one, {"etag": '"late"'}, None)  # of a slower run
    files = Memory.read(tmp_path, "team.nightly").files
    assert [(each.path, each.etag) for each in files] == [("one", None), ("two", None)]


@pytest.mark.parametrize("keep_last", [1, None])
def test_a_folder_that_was_removed_does_not_come_again(
    pod: Pod, server: FaultServer, keep_last: int | None
) -> None:
    url = server.on("/x", answer(200, BODY))
    path = "{scheduled}/{filename}"
    pod.run(url, path=path, keep_last=keep_last, only_if_changed=True, DOWNLOAD_JOB=JOBS[0])
    shutil.rmtree(pod.data / "20261123T020000Z")
    pod.run(url, path=path, keep_last=keep_last, only_if_changed=True, DOWNLOAD_JOB=JOBS[1])
    assert sorted(each.name for each in pod.data.iterdir()) == [FOLDER, "20261123T020100Z"]


def test_a_file_that_is_wanted_unpacked_is_not_the_packed_one(
    pod: Pod, server: FaultServer
) -> None:
    def packed(exchange: Exchange) -> None:
        if "If-None-Match" in exchange.head:
            exchange.send(head("304 Not Modified"))
        else:
            fields = 'ETag: "1"', "Content-Encoding: gzip"
            answer(200, gzip.compress(BODY), *fields)(exchange)

    url = server.on("/x", packed)
    asked: dict[str, Any] = {"only_if_changed": True, "path": "latest"}
    pod.run(url, **asked)
    for unchanged in (None, True):
        ended = pod.run(url, request={"compressed": True}, **asked)
        assert ended.result.unchanged is unchanged
        assert pod.files() == {"latest": BODY}
