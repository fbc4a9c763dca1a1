"""Files kept in a bucket of a real S3 server."""

import hashlib
import random
import threading
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import obstore
import pytest

from download_worker.errors import DownloadError
from download_worker.http.curl import Limits
from download_worker.s3.client import Bucket
from download_worker.s3.upload import Object, Upload
from tests.support import s3
from tests.support.attempts import Ended, Pod
from tests.support.http_faults import (
    BODY,
    Behaviour,
    Exchange,
    FaultServer,
    answer,
    cut,
    endless,
    head,
)
from tests.support.s3 import KEY_ID, SECRET, WRITER, S3Server

KEY = "{name}/{scheduled}-{filename}"
WHERE = "nightly/20261123T020000Z-x.csv"
SIZES = pytest.mark.parametrize("size", [100, 20_000_000])


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3.running(tmp_path_factory.mktemp("s3")) as running:
        yield running


@pytest.fixture(autouse=True)
def empty(service: S3Server) -> None:
    for key in service.names():
        obstore.delete(service.store, key)


def run(pod: Pod, service: S3Server, url: str, **more: Any) -> Ended:
    destination = {
        "bucket": more.pop("bucket", service.bucket),
        "key": more.pop("key", KEY),
        "endpoint": service.endpoint,
        "region": "us-east-1",
        "credentialsSecretRef": {"name": "keys"},
    }
    credentials = {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET}
    return pod.run(url, s3=destination, **{**credentials, **more})


def put(upload: Upload, body: bytes) -> None:
    upload.write(body)
    upload.commit("")


def test_a_small_file_is_one_object_with_its_digest(
    pod: Pod, server: FaultServer, service: S3Server
) -> None:
    ended = run(pod, service, server.on("/x.csv", answer(200, BODY, "Content-Type: text/csv")))
    assert ended.code == 0, ended.out
    assert ended.result.location == f"s3://downloads/{WHERE}"
    assert service.read(WHERE) == BODY
    attributes = service.attributes(WHERE)
    assert attributes["Content-Type"] == "text/csv"
    assert attributes["sha256"] == ended.result.sha256


def test_a_large_file_goes_in_parts(pod: Pod, server: FaultServer, service: S3Server) -> None:
    """As many as its ETag says: in one request, it would be in memory as a whole."""
    body = random.Random(1).randbytes(30_000_000)
    ended = run(pod, service, server.on("/x.csv", answer(200, body)))
    assert ended.code == 0, ended.out
    assert service.read(WHERE) == body
    assert '-4"' in (obstore.head(service.store, WHERE)["e_tag"] or "")
    assert "sha256" not in service.attributes(WHERE)


def test_a_large_file_has_its_digest_where_it_was_known_before(
    pod: Pod, server: FaultServer, service: S3Server
) -> None:
    body = random.Random(2).randbytes(20_000_000)
    sha256 = hashlib.sha256(body).hexdigest()
    url = server.on("/x.csv", answer(200, body))
    assert run(pod, service, url, verify={"sha256": sha256}).code == 0
    assert service.attributes(WHERE)["sha256"] == sha256


@SIZES
@pytest.mark.parametrize("kind", ["text/csv\x01", "text/\xe9"])
def test_a_type_that_is_none_is_left_out(
    pod: Pod, server: FaultServer, service: S3Server, size: int, kind: str
) -> None:
    body = b"x" * size
    ended = run(pod, service, server.on("/x.csv", answer(200, body, f"Content-Type: {kind}")))
    assert ended.code == 0, ended.out
    assert service.read(WHERE) == body
    assert service.attributes(WHERE).get("Content-Type") != kind


@SIZES
def test_a_client_that_breaks_down_has_stored_nothing(service: S3Server, size: int) -> None:
    credentials = {"AWS_ACCESS_KEY_ID": "a\x01", "AWS_SECRET_ACCESS_KEY": SECRET}
    limits = Limits((ip_network("127.0.0.1/32"),))
    bucket = Bucket(service.bucket, service.endpoint, "us-east-1", credentials, "keys", limits)
    upload = Upload(bucket, Object("x", None))
    with pytest.raises(DownloadError, match="could not be stored"):
        put(upload, b"x" * size)
    upload.abandon(resumable=False)
    with pytest.raises(DownloadError, match="could not be stored"):
        Upload(bucket, Object("x", None, run="5b1c9b1e"))
    assert [each.name for each in threading.enumerate() if each.name == "gate"] == []


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN"])
def test_credentials_that_are_none_are_told(
    pod: Pod, server: FaultServer, service: S3Server, name: str
) -> None:
    ended = run(pod, service, server.on("/x", answer(200)), **{name: "two\nlines"})
    assert (ended.code, ended.result.reason) == (10, "InvalidSpec")
    assert f"{name} in the Secret keys is not printable" in (ended.result.message or "")
    assert "two" not in ended.out + ended.err


def test_an_empty_file_is_an_object_too(pod: Pod, server: FaultServer, service: S3Server) -> None:
    assert run(pod, service, server.on("/x.csv", answer(200, b""))).code == 0
    assert service.read(WHERE) == b""


@SIZES
def test_a_body_cut_short_is_no_object(
    pod: Pod, server: FaultServer, service: S3Server, size: int
) -> None:
    promise = head("200 OK", f"Content-Length: {size + 1}")
    url = server.on("/x.csv", lambda exchange: exchange.send(promise + b"x" * size))
    ended = run(pod, service, url)
    assert (ended.code, ended.result.reason) == (20, "IncompleteBody")
    assert service.names() == []


def test_too_large_a_body_is_no_object(pod: Pod, server: FaultServer, service: S3Server) -> None:
    ended = run(
        pod, service, server.on("/x.csv", endless(head("200 OK"))), verify={"maxBytes": 20_000_000}
    )
    assert (ended.code, ended.result.reason) == (10, "TooLarge")
    assert service.names() == []


@pytest.mark.parametrize("size", [100, 30_000_000])
def test_a_wrong_key_is_told(pod: Pod, server: FaultServer, service: S3Server, size: int) -> None:
    url = server.on("/x.csv", answer(200, b"x" * size))
    ended = run(pod, service, url, AWS_SECRET_ACCESS_KEY="wrong")
    assert (ended.code, ended.result.reason) == (10, "BucketDenied"), ended.out
    assert "correct the Secret keys" in (ended.result.message or "")
    assert "wrong" not in ended.out.replace("wrong key", "")


def test_a_missing_bucket_is_told(pod: Pod, server: FaultServer) -> None:
    """SeaweedFS makes a missing bucket; Amazon and others answer 404."""
    ended = run(pod, S3Server(server.origin), server.on("/x.csv", answer(200)))
    assert (ended.code, ended.result.reason) == (10, "BucketNotFound"), ended.out


def test_a_service_that_is_away_is_tried_again(
    pod: Pod, server: FaultServer, service: S3Server
) -> None:
    away = S3Server("http://127.0.0.1:1")
    ended = run(pod, away, server.on("/x.csv", answer(200)))
    assert (ended.code, ended.result.reason) == (20, "UploadFailed"), ended.out


@pytest.mark.parametrize(
    "endpoint",
    ["http://127.0.0.2:1", "http://[::1]:1", "http://169.254.169.254", "http://2852039166"],
)
def test_private_endpoints_are_refused(pod: Pod, server: FaultServer, endpoint: str) -> None:
    ended = run(pod, S3Server(endpoint), server.on("/x.csv", answer(200)))
    assert (ended.code, ended.result.reason) == (10, "AddressRefused"), ended.out


@pytest.mark.parametrize("endpoint", ["http://[::1", "http://a.test:99999", "http://a..test:s3"])
def test_an_endpoint_that_is_none_is_told(pod: Pod, server: FaultServer, endpoint: str) -> None:
    ended = run(pod, S3Server(endpoint), server.on("/x.csv", answer(200)))
    assert (ended.code, ended.result.reason) == (10, "InvalidURL"), ended.out


def test_a_cut_that_mends(pod: Pod, server: FaultServer, service: S3Server) -> None:
    url = server.on("/x.csv", cut(100), answer(200))
    assert [run(pod, service, url).code for _ in range(2)] == [20, 0]
    assert service.read(WHERE) == BODY


def test_nothing_stays_on_the_machine(
    pod: Pod, server: FaultServer, service: S3Server, tmp_path: Path
) -> None:
    before = sorted(tmp_path.rglob("*"))
    run(pod, service, server.on("/x.csv", answer(200)))
    assert sorted(tmp_path.rglob("*")) == sorted([*before, pod.report])


@SIZES
def test_an_object_of_another_run_is_not_replaced(
    pod: Pod, server: FaultServer, service: S3Server, size: int
) -> None:
    url = server.on("/x.csv", answer(200, b"1" * size), answer(200, b"2" * size))
    assert run(pod, service, url, DOWNLOAD_RUN="one").code == 0
    ended = run(pod, service, url, DOWNLOAD_RUN="two")
    assert (ended.code, ended.result.reason) == (10, "ObjectExists"), ended.out
    assert "choose another key" in (ended.result.message or "")
    assert service.read(WHERE) == b"1" * size


@SIZES
def test_a_later_attempt_of_the_run_replaces_its_own(
    pod: Pod, server: FaultServer, service: S3Server, size: int
) -> None:
    url = server.on("/x.csv", answer(200, b"1" * size), answer(200, b"2" * size))
    assert [run(pod, service, url).code for _ in range(2)] == [0, 0]
    assert service.read(WHERE) == b"2" * size


def test_a_key_that_every_run_has_is_replaced(
    pod: Pod, server: FaultServer, service: S3Server
) -> None:
    url = server.on("/x.csv", answer(200, b"1"), answer(200, b"2"))
    for number in ("one", "two"):
        assert run(pod, service, url, key="latest", DOWNLOAD_RUN=number).code == 0
    assert service.read("latest") == b"2"


def overtaken(service: S3Server, size: int, run: str) -> Behaviour:
    """Serve a body, while somebody puts an object of the same key."""

    def behave(exchange: Exchange) -> None:
        exchange.send(head("200 OK", f"Content-Length: {size}") + b"x" * (size - 1))
        exchange.closing.wait(1)  # the worker has looked at the key by then
        obstore.put(service.store, WHERE, b"theirs", attributes={"run": run})
        exchange.send(b"x")

    return behave


@SIZES
def test_an_object_put_meanwhile_stays(
    pod: Pod, server: FaultServer, service: S3Server, size: int
) -> None:
    ended = run(pod, service, server.on("/x.csv", overtaken(service, size, "another")))
    assert (ended.code, ended.result.reason) == (10, "ObjectExists"), ended.out
    assert service.read(WHERE) == b"theirs"


def test_an_answer_that_was_lost_does_not_fail_the_run(
    pod: Pod, server: FaultServer, service: S3Server
) -> None:
    """The service has the object already when the client repeats its request."""
    url = server.on("/x.csv", overtaken(service, 100, "this-run"))
    assert run(pod, service, url, DOWNLOAD_RUN="this-run").code == 0


def test_who_may_only_write_can(pod: Pod, server: FaultServer, service: S3Server) -> None:
    url = server.on("/x.csv", answer(200, b"1"), answer(200, b"2"))
    writer = {"AWS_ACCESS_KEY_ID": WRITER}
    assert run(pod, service, url, DOWNLOAD_RUN="one", **writer).code == 0
    ended = run(pod, service, url, DOWNLOAD_RUN="two", **writer)
    assert (ended.code, ended.result.reason) == (10, "ObjectExists"), ended.out
    assert service.read(WHERE) == b"1"


def test_a_service_that_knows_no_condition_is_told(pod: Pod, server: FaultServer) -> None:
    server.on(f"/downloads/{WHERE}", answer(404, b""), answer(501, b""))
    ended = run(pod, S3Server(server.origin), server.on("/x.csv", answer(200)))
    assert (ended.code, ended.result.reason) == (20, "UploadFailed"), ended.out
    assert "write a key without {scheduled}" in (ended.result.message or "")
