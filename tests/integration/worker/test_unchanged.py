"""What happens to the manifest and the files when nothing has changed."""

import gzip
import shutil
from typing import Any

import pytest

from download_worker.volume.manifest import FOLDER
from tests.support.attempts import Pod
from tests.support.http_faults import BODY, Exchange, FaultServer, respond, response_head

MANIFEST = f"{FOLDER}/team.nightly.json"
JOBS = [f"nightly-{29923320 + minute}" for minute in range(4)]


@pytest.mark.parametrize("header", ['ETag: "a\tb"', 'ETag: "a\x85b"', "Last-Modified: a\xa0b"])
def test_unprintable_header_is_left_out_of_the_manifest(
    pod: Pod, server: FaultServer, header: str
) -> None:
    url = server.on("/x", respond(200, BODY, header))
    attempts = [
        pod.run(url, keep_last=1, only_if_changed=True, DOWNLOAD_JOB=job) for job in JOBS[:2]
    ]
    assert [attempt.code for attempt in attempts] == [0, 0], attempts[1].out
    assert attempts[1].result.unchanged
    assert pod.run(url, keep_last=1, DOWNLOAD_JOB=JOBS[2]).code == 0
    assert pod.names() == ["20261123T020200Z-x"]


def test_etag_of_an_unchanged_file_is_updated(pod: Pod, server: FaultServer) -> None:
    url = server.on("/x", respond(200, BODY, 'ETag: "1"'), respond(200, BODY, 'ETag: "2"'))
    attempts = [pod.run(url, only_if_changed=True, DOWNLOAD_JOB=job) for job in JOBS[:3]]
    assert [attempt.result.unchanged for attempt in attempts] == [None, True, True]
    assert 'If-None-Match: "1"' in server.requests[1]
    assert 'If-None-Match: "2"' in server.requests[2]
    assert pod.names() == ["20261123T020000Z-x"]


def test_keep_last_removes_files_after_an_unchanged_download(pod: Pod, server: FaultServer) -> None:
    url = server.on("/x", *(respond(200, b"%d" % i, f'ETag: "{i}"') for i in range(3)))
    for job in JOBS[:3]:
        pod.run(url, only_if_changed=True, keep_last=9, DOWNLOAD_JOB=job)
    server.on("/x", respond(304, b""))
    attempt = pod.run(url, only_if_changed=True, keep_last=2, DOWNLOAD_JOB=JOBS[3])
    assert attempt.result.unchanged
    assert pod.names() == ["20261123T020100Z-x", "20261123T020200Z-x"]
    again = pod.run(url, only_if_changed=True, keep_last=1, DOWNLOAD_JOB=JOBS[3])
    assert again.result.unchanged
    assert pod.names() == ["20261123T020200Z-x"]


def test_unchanged_download_writes_nothing(pod: Pod, server: FaultServer) -> None:
    url = server.on("/x", respond(200, BODY, 'ETag: "1"'), respond(304, b""))
    pod.run(url, only_if_changed=True, keep_last=1)
    before = (pod.data / MANIFEST).stat()
    assert pod.run(url, only_if_changed=True, keep_last=1).result.unchanged
    assert (pod.data / MANIFEST).stat().st_ino == before.st_ino


@pytest.mark.parametrize("keep_last", [1, None])
def test_removed_folder_is_not_created_again(
    pod: Pod, server: FaultServer, keep_last: int | None
) -> None:
    url = server.on("/x", respond(200, BODY))
    path = "{namespace}/{name}/{scheduled}/{filename}"
    pod.run(url, path=path, keep_last=keep_last, only_if_changed=True, DOWNLOAD_JOB=JOBS[0])
    shutil.rmtree(pod.data / "team/nightly/20261123T020000Z")
    pod.run(url, path=path, keep_last=keep_last, only_if_changed=True, DOWNLOAD_JOB=JOBS[1])
    assert [path.name for path in (pod.data / "team/nightly").iterdir()] == ["20261123T020100Z"]


def test_decoded_file_is_another_one_than_the_compressed_file(
    pod: Pod, server: FaultServer
) -> None:
    def compressed(exchange: Exchange) -> None:
        if "If-None-Match" in exchange.request:
            exchange.send(response_head("304 Not Modified"))
        else:
            headers = 'ETag: "1"', "Content-Encoding: gzip"
            respond(200, gzip.compress(BODY), *headers)(exchange)

    url = server.on("/x", compressed)
    options: dict[str, Any] = {"only_if_changed": True, "path": "team/nightly/latest"}
    pod.run(url, **options)
    for unchanged in (None, True):
        attempt = pod.run(url, request={"compressed": True}, **options)
        assert attempt.result.unchanged is unchanged
        assert pod.files() == {"team/nightly/latest": BODY}
