"""Files saved in a bucket of a real S3 server."""

import hashlib
import random
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import obstore
import pytest

from download_worker.errors import DownloadError
from download_worker.http.curl import ConnectionOptions
from download_worker.s3.bucket import Bucket
from download_worker.s3.upload import S3Object, Upload
from tests.support import s3
from tests.support.attempts import LOOPBACK, FinishedAttempt, Pod, policy
from tests.support.http_faults import (
    BODY,
    Behaviour,
    Exchange,
    FaultServer,
    cut,
    endless,
    respond,
    response_head,
)
from tests.support.s3 import KEY_ID, SECRET, WRITER, S3Server

KEY_TEMPLATE = "{name}/{scheduled}-{filename}"
OBJECT_KEY = "nightly/20261123T020000Z-x.csv"
SIZES = pytest.mark.parametrize("size", [100, 20_000_000])


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3.running(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(autouse=True)
def empty(service: S3Server) -> None:
    for key in service.names():
        obstore.delete(service.store, key)


def run(pod: Pod, service: S3Server, url: str, **more: Any) -> FinishedAttempt:
    destination = {
        "bucket": more.pop("bucket", service.bucket),
        "key": more.pop("key", KEY_TEMPLATE),
        "endpoint": service.endpoint,
        "region": "us-east-1",
        "credentialsSecretRef": {"name": "keys"},
    }
    credentials = {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET}
    return pod.run(url, s3=destination, **{**credentials, **more})


def put(upload: Upload, body: bytes) -> None:
    upload.write(body)
    upload.commit("")


def test_small_file_is_one_object_with_its_digest(
    pod: Pod, server: FaultServer, service: S3Server
) -> None:
    attempt = run(pod, service, server.on("/x.csv", respond(200, BODY, "Content-Type: text/csv")))
    assert attempt.code == 0, attempt.out
    assert attempt.result.location == f"s3://downloads/{OBJECT_KEY}"
    assert service.read(OBJECT_KEY) == BODY
    attributes = service.attributes(OBJECT_KEY)
    assert attributes["Content-Type"] == "text/csv"
    assert attributes["sha256"] == attempt.result.sha256


def test_large_file_is_uploaded_in_parts(pod: Pod, server: FaultServer, service: S3Server) -> None:
    """Its ETag says how many. In one request, it would be in memory as a whole."""
    body = random.Random(1).randbytes(30_000_000)
    attempt = run(pod, service, server.on("/x.csv", respond(200, body)))
    assert attempt.code == 0, attempt.out
    assert service.read(OBJECT_KEY) == body
    assert '-4"' in (obstore.head(service.store, OBJECT_KEY)["e_tag"] or "")
    assert "sha256" not in service.attributes(OBJECT_KEY)


def test_large_file_has_its_digest_if_it_was_expected(
    pod: Pod, server: FaultServer, service: S3Server
) -> None:
    body = random.Random(2).randbytes(20_000_000)
    sha256 = hashlib.sha256(body).hexdigest()
    url = server.on("/x.csv", respond(200, body))
    assert run(pod, service, url, verify={"sha256": sha256}).code == 0
    assert service.attributes(OBJECT_KEY)["sha256"] == sha256


@SIZES
@pytest.mark.parametrize("content_type", ["text/csv\x01", "text/\xe9"])
def test_invalid_content_type_is_left_out(
    pod: Pod, server: FaultServer, service: S3Server, size: int, content_type: str
) -> None:
    body = b"x" * size
    attempt = run(
        pod, service, server.on("/x.csv", respond(200, body, f"Content-Type: {content_type}"))
    )
    assert attempt.code == 0, attempt.out
    assert service.read(OBJECT_KEY) == body
    assert service.attributes(OBJECT_KEY).get("Content-Type") != content_type


@SIZES
def test_panic_of_the_client_is_reported(service: S3Server, size: int) -> None:
    credentials = {"AWS_ACCESS_KEY_ID": "a\x01", "AWS_SECRET_ACCESS_KEY": SECRET}
    connection = ConnectionOptions(policy(LOOPBACK))
    bucket = Bucket(service.bucket, service.endpoint, "us-east-1", credentials, "keys", connection)
    upload = Upload(bucket, S3Object("x", None))
    with pytest.raises(DownloadError, match="could not be stored"):
        put(upload, b"x" * size)
    upload.discard()
    with pytest.raises(DownloadError, match="could not be stored"):
        Upload(bucket, S3Object("x", None, run="5b1c9b1e"))
    assert "egress-proxy" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN"])
def test_invalid_credentials_are_reported_and_not_quoted(
    pod: Pod, server: FaultServer, service: S3Server, name: str
) -> None:
    attempt = run(pod, service, server.on("/x", respond(200)), **{name: "two\nlines"})
    assert attempt.outcome == (10, "InvalidSpec")
    assert f"{name} in the Secret keys is not printable" in (attempt.result.message or "")
    assert "two" not in attempt.out + attempt.err


def test_empty_file_is_an_object(pod: Pod, server: FaultServer, service: S3Server) -> None:
    assert run(pod, service, server.on("/x.csv", respond(200, b""))).code == 0
    assert service.read(OBJECT_KEY) == b""


@SIZES
def test_body_cut_short_leaves_no_object(
    pod: Pod, server: FaultServer, service: S3Server, size: int
) -> None:
    promise = response_head("200 OK", f"Content-Length: {size + 1}")
    url = server.on("/x.csv", lambda exchange: exchange.send(promise + b"x" * size))
    attempt = run(pod, service, url)
    assert attempt.outcome == (20, "IncompleteBody")
    assert service.names() == []


def test_body_that_is_too_large_leaves_no_object(
    pod: Pod, server: FaultServer, service: S3Server
) -> None:
    attempt = run(
        pod,
        service,
        server.on("/x.csv", endless(response_head("200 OK"))),
        verify={"maxBytes": 20_000_000},
    )
    assert attempt.outcome == (10, "TooLarge")
    assert service.names() == []


@pytest.mark.parametrize("size", [100, 30_000_000])
def test_wrong_credentials_are_reported(
    pod: Pod, server: FaultServer, service: S3Server, size: int
) -> None:
    url = server.on("/x.csv", respond(200, b"x" * size))
    attempt = run(pod, service, url, AWS_SECRET_ACCESS_KEY="wrong")
    assert attempt.outcome == (10, "BucketDenied"), attempt.out
    assert "correct the Secret keys" in (attempt.result.message or "")
    assert "wrong" not in attempt.out.replace("wrong key", "")


def test_missing_bucket_is_reported(pod: Pod, server: FaultServer) -> None:
    """SeaweedFS creates a missing bucket; Amazon and others respond 404."""
    attempt = run(pod, S3Server(server.origin), server.on("/x.csv", respond(200)))
    assert attempt.outcome == (10, "BucketNotFound"), attempt.out


def test_service_that_is_down_is_retried(pod: Pod, server: FaultServer, service: S3Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    down = S3Server(f"http://127.0.0.1:{port}")
    attempt = run(pod, down, server.on("/x.csv", respond(200)))
    assert attempt.outcome == (20, "UploadFailed"), attempt.out


@pytest.mark.parametrize(
    "endpoint",
    ["http://127.0.0.2:8333", "http://[::1]:8333", "http://169.254.169.254", "http://2852039166"],
)
def test_private_endpoint_is_refused(pod: Pod, server: FaultServer, endpoint: str) -> None:
    attempt = run(pod, S3Server(endpoint), server.on("/x.csv", respond(200)))
    assert attempt.outcome == (10, "AddressRefused"), attempt.out
    assert "is not a public address" in (attempt.result.message or "")


@pytest.mark.parametrize("through_proxy", [False, True])
def test_endpoint_at_a_closed_port_is_refused(
    pod: Pod, server: FaultServer, through_proxy: bool
) -> None:
    url = server.on("/x.csv", respond(200))
    proxy = {"DOWNLOAD_WORKER_PROXY": server.origin} if through_proxy else {}
    server.behaviours[url] = respond(200)
    attempt = run(pod, S3Server("http://127.0.0.1:25"), url, **proxy)
    assert attempt.outcome == (10, "PortRefused"), attempt.out
    assert "The S3 endpoint 127.0.0.1 cannot be reached at port 25" in (
        attempt.result.message or ""
    )


def test_denied_endpoint_is_refused_although_it_is_allowed(
    pod: Pod, server: FaultServer, service: S3Server
) -> None:
    denied = service.endpoint.replace("http://", "").replace(":", "/32:")
    url = server.on("/x.csv", respond(200))
    attempt = run(pod, service, url, DOWNLOAD_WORKER_DENY_CIDRS=denied)
    assert attempt.outcome == (10, "AddressRefused"), attempt.out
    assert service.names() == []


def test_address_of_a_refused_endpoint_is_not_disclosed(pod: Pod, server: FaultServer) -> None:
    spelling = S3Server("http://2852039166")  # resolves to 169.254.169.254
    attempt = run(pod, spelling, server.on("/x.csv", respond(200)))
    assert attempt.outcome == (10, "AddressRefused"), attempt.out
    assert "The S3 endpoint 2852039166" in (attempt.result.message or "")
    assert "169.254.169.254" not in f"{attempt.result.message} {attempt.out} {attempt.err}"


@pytest.mark.parametrize("endpoint", ["http://[::1", "http://a.test:99999", "http://a..test:s3"])
def test_invalid_endpoint_is_reported(pod: Pod, server: FaultServer, endpoint: str) -> None:
    attempt = run(pod, S3Server(endpoint), server.on("/x.csv", respond(200)))
    assert attempt.outcome == (10, "InvalidURL"), attempt.out


def test_next_attempt_after_a_cut_succeeds(
    pod: Pod, server: FaultServer, service: S3Server
) -> None:
    url = server.on("/x.csv", cut(100), respond(200))
    assert [run(pod, service, url).code for _ in range(2)] == [20, 0]
    assert service.read(OBJECT_KEY) == BODY


def test_upload_writes_no_files(
    pod: Pod, server: FaultServer, service: S3Server, tmp_path: Path
) -> None:
    before = sorted(tmp_path.rglob("*"))
    run(pod, service, server.on("/x.csv", respond(200)))
    assert sorted(tmp_path.rglob("*")) == sorted([*before, pod.termination_log, pod.peak_file])


@SIZES
def test_object_of_another_run_is_not_replaced(
    pod: Pod, server: FaultServer, service: S3Server, size: int
) -> None:
    url = server.on("/x.csv", respond(200, b"1" * size), respond(200, b"2" * size))
    assert run(pod, service, url, DOWNLOAD_RUN="one").code == 0
    attempt = run(pod, service, url, DOWNLOAD_RUN="two")
    assert attempt.outcome == (10, "ObjectExists"), attempt.out
    assert "choose another key" in (attempt.result.message or "")
    assert service.read(OBJECT_KEY) == b"1" * size


@SIZES
def test_object_of_an_earlier_attempt_is_replaced(
    pod: Pod, server: FaultServer, service: S3Server, size: int
) -> None:
    url = server.on("/x.csv", respond(200, b"1" * size), respond(200, b"2" * size))
    assert [run(pod, service, url).code for _ in range(2)] == [0, 0]
    assert service.read(OBJECT_KEY) == b"2" * size


def test_key_without_a_tick_is_replaced_by_every_run(
    pod: Pod, server: FaultServer, service: S3Server
) -> None:
    url = server.on("/x.csv", respond(200, b"1"), respond(200, b"2"))
    for number in ("one", "two"):
        assert run(pod, service, url, key="latest", DOWNLOAD_RUN=number).code == 0
    assert service.read("latest") == b"2"


def overtake(service: S3Server, size: int, run: str) -> Behaviour:
    """Serve a body, while another run writes an object of the same key."""

    def behave(exchange: Exchange) -> None:
        exchange.send(response_head("200 OK", f"Content-Length: {size}") + b"x" * (size - 1))
        exchange.closing.wait(1)  # by then the worker has looked at the key
        obstore.put(service.store, OBJECT_KEY, b"theirs", attributes={"run": run})
        exchange.send(b"x")

    return behave


@SIZES
def test_object_written_during_the_download_is_not_replaced(
    pod: Pod, server: FaultServer, service: S3Server, size: int
) -> None:
    attempt = run(pod, service, server.on("/x.csv", overtake(service, size, "another")))
    assert attempt.outcome == (10, "ObjectExists"), attempt.out
    assert service.read(OBJECT_KEY) == b"theirs"


def test_repeated_request_that_finds_its_own_object_succeeds(
    pod: Pod, server: FaultServer, service: S3Server
) -> None:
    """The service has stored the object already when the client repeats its request."""
    url = server.on("/x.csv", overtake(service, 100, "this-run"))
    assert run(pod, service, url, DOWNLOAD_RUN="this-run").code == 0


def test_credentials_that_may_only_write_are_enough(
    pod: Pod, server: FaultServer, service: S3Server
) -> None:
    url = server.on("/x.csv", respond(200, b"1"), respond(200, b"2"))
    writer = {"AWS_ACCESS_KEY_ID": WRITER}
    assert run(pod, service, url, DOWNLOAD_RUN="one", **writer).code == 0
    attempt = run(pod, service, url, DOWNLOAD_RUN="two", **writer)
    assert attempt.outcome == (10, "ObjectExists"), attempt.out
    assert service.read(OBJECT_KEY) == b"1"


def test_service_without_conditional_writes_is_reported(pod: Pod, server: FaultServer) -> None:
    server.on(f"/downloads/{OBJECT_KEY}", respond(404, b""), respond(501, b""))
    attempt = run(pod, S3Server(server.origin), server.on("/x.csv", respond(200)))
    assert attempt.outcome == (20, "UploadFailed"), attempt.out
    assert "write a key without {scheduled}" in (attempt.result.message or "")
