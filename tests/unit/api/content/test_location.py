"""Where a run's file is, what of it is sent, and that nothing leads out of the folder."""

import asyncio
import os
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import kopf
import pytest

from download_api.auth.reviews import Caller
from download_api.content.location import Place, excerpt, place
from download_api.content.s3_links import Buckets, signed
from download_api.content.volumes import Volumes, open_beneath
from download_api.problems import ProblemError
from download_api.settings import MountedClaim
from download_kube.client import KubeClient
from download_schedule.model import S3

DIGEST = "a" * 64
ETAG = f'"{DIGEST}"'


def run(number: int = 0, **members: Any) -> dict[str, Any]:
    return {
        "id": f"run-{number}",
        "state": "Completed",
        "completionTime": f"2026-11-23T0{number}:00:00Z",
        "location": "volume://data/a/latest.csv",
        "sha256": DIGEST,
        **members,
    }


def placed(wanted: dict[str, Any], *others: dict[str, Any]) -> tuple[str, str, str]:
    return place({"status": {"history": [*others, wanted]}}, wanted)


def refused(wanted: dict[str, Any], *others: dict[str, Any]) -> tuple[int, str]:
    with pytest.raises(ProblemError) as told:
        placed(wanted, *others)
    return told.value.status, told.value.kind


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("volume://data/a/b.csv", ("volume", "data", "a/b.csv")),
        ("volume://data/…/ü b?c#d%2e", ("volume", "data", "…/ü b?c#d%2e")),
        ("s3://bucket/a/..b", ("s3", "bucket", "a/..b")),
    ],
)
def test_where_a_file_is(location: str, expected: tuple[str, str, str]) -> None:
    assert placed(run(location=location)) == expected


@pytest.mark.parametrize(
    "location",
    [
        "volume://data",
        "volume://data/",
        "volume:///etc/passwd",
        "volume://data//etc/passwd",
        "volume://data/../x",
        "volume://data/a/..",
        "volume://data/a/./b",
        "volume://data/a\0b",
        "s3://bucket/../other/secret",
        "file:///etc/passwd",
        "https://example.com/x",
        "VOLUME://data/a",
        "x",
    ],
)
def test_where_no_file_can_be(location: str) -> None:
    assert refused(run(location=location)) == (404, "content_not_found")


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"state": "Pending"}, (409, "run_active")),
        ({"state": "Running"}, (409, "run_active")),
        ({"state": "Failed"}, (404, "content_not_found")),
        ({"unchanged": True}, (404, "content_not_found")),
        ({"location": None}, (404, "content_not_found")),
    ],
)
def test_runs_that_kept_nothing(members: dict[str, Any], expected: tuple[int, str]) -> None:
    assert refused(run(**members)) == expected


def test_a_file_of_the_same_name_is_that_of_the_last_who_wrote_it() -> None:
    first, second = run(1), run(2, sha256="b" * 64)
    assert refused(first, second) == (410, "content_gone")
    assert placed(second, first)
    assert placed(first, run(2))
    assert placed(first, run(2, sha256="b" * 64, location="volume://data/other"))
    assert placed(first, run(2, sha256="b" * 64, unchanged=True))


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-0", range(1)),
        ("bytes=2-4", range(2, 5)),
        ("bytes=2-99", range(2, 10)),
        ("bytes=9-", range(9, 10)),
        ("bytes=-3", range(7, 10)),
        ("bytes=-99", range(10)),
    ],
)
def test_part_of_a_file(header: str, expected: range) -> None:
    sent = excerpt({"range": header}, ETAG, 10)
    assert (sent.status, sent.bytes) == (206, expected)
    assert sent.headers["Content-Length"] == str(len(expected))
    assert sent.headers["Content-Range"] == f"bytes {expected[0]}-{expected[-1]}/10"


@pytest.mark.parametrize(
    "header",
    [
        "",
        "bytes=-",
        "bytes=4-2",
        "bytes=0-1,3-4",
        "lines=1-2",
        "bytes=x",
        "bytes=٣-",
        "bytes=1-2 ",
        "bytes=0-" + "9" * 5000,
    ],
)
def test_what_is_no_range_is_all_of_it(header: str) -> None:
    sent = excerpt({"range": header}, ETAG, 10)
    assert (sent.status, sent.bytes, sent.headers) == (200, range(10), {"Content-Length": "10"})


@pytest.mark.parametrize(("header", "size"), [("bytes=10-", 10), ("bytes=-0", 10), ("bytes=-5", 0)])
def test_bytes_that_the_file_does_not_have(header: str, size: int) -> None:
    with pytest.raises(ProblemError) as told:
        excerpt({"range": header}, ETAG, size)
    assert (told.value.status, told.value.headers) == (416, {"Content-Range": f"bytes */{size}"})


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"if-none-match": ETAG}, 304),
        ({"if-none-match": f'"x", W/{ETAG}'}, 304),
        ({"if-none-match": "*"}, 304),
        ({"if-none-match": '"x"'}, 200),
        ({"if-range": ETAG, "range": "bytes=1-2"}, 206),
        ({"if-range": '"x"', "range": "bytes=1-2"}, 200),
        ({"if-range": f"W/{ETAG}", "range": "bytes=1-2"}, 200),
    ],
)
def test_conditions(asked: dict[str, str], status: int) -> None:
    assert excerpt(asked, ETAG, 10).status == status
    if status == 304:
        assert excerpt(asked, "", 10).status == 200


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A volume on which somebody has laid traps."""
    (tmp_path / "secret").write_text("secret")
    made = tmp_path / "volume"
    (made / "a").mkdir(parents=True)
    (made / "a" / "file").write_text("file")
    (made / "out").symlink_to("../secret")
    (made / "a" / "up").symlink_to("../..")
    (made / "a" / "top").symlink_to("/")
    (made / "same").symlink_to("a/file")
    return made


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_file_below_the_folder(folder: Path) -> None:
    before = descriptors()
    file = open_beneath(folder, "a/file")
    assert os.read(file, 9) == b"file"
    os.close(file)
    assert descriptors() == before


@pytest.mark.parametrize(
    "path",
    ["out", "same", "a/up/secret", "a/top/etc/passwd", "no", "a/no/x"],
)
def test_nothing_leads_out_of_the_folder(folder: Path, path: str) -> None:
    before = descriptors()
    with pytest.raises(OSError, match="Errno"):
        open_beneath(folder, path)
    assert descriptors() == before


def test_a_link_is_signed_with_those_credentials_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "of-the-api")
    s3 = S3.model_validate({"bucket": "downloads", "credentialsSecretRef": {"name": "s"}})
    credentials = {"AWS_ACCESS_KEY_ID": "theirs", "AWS_SECRET_ACCESS_KEY": "secret"}
    link = urlsplit(signed(s3, credentials, "a b/ü?&#.csv", "GET"))
    assert (link.scheme, link.netloc) == ("https", "s3.us-east-1.amazonaws.com")
    assert link.path == "/downloads/a%20b/%C3%BC%3F%26%23.csv"
    query = parse_qs(link.query)
    assert query["X-Amz-Expires"] == ["60"]
    assert query["X-Amz-Credential"][0].startswith("theirs/")
    assert "X-Amz-Security-Token" not in query
    short = signed(s3, {**credentials, "AWS_SESSION_TOKEN": "short"}, "a", "HEAD")
    assert parse_qs(urlsplit(short).query)["X-Amz-Security-Token"] == ["short"]
    assert "secret" not in short


@pytest.mark.parametrize(
    ("endpoint", "key", "sentence"),
    [
        ("http://s3.example.com:99999", "a", "endpoint of the schedule is no address"),
        ("http://[::1", "a", "endpoint of the schedule is no address"),
        ("http://s3.example.com", "a\nb", "no object that a service could have"),
    ],
)
def test_what_no_service_has_is_not_there(endpoint: str, key: str, sentence: str) -> None:
    named = {"bucket": "downloads", "endpoint": endpoint, "credentialsSecretRef": {"name": "s"}}
    credentials = {"AWS_ACCESS_KEY_ID": "theirs", "AWS_SECRET_ACCESS_KEY": "secret"}
    with pytest.raises(ProblemError, match=sentence) as told:
        signed(S3.model_validate(named), credentials, key, "GET")
    assert (told.value.status, told.value.kind) == (404, "content_not_found")


def test_a_destination_of_earlier_rules_is_served_too() -> None:
    s3 = {"bucket": "old", "key": "/of/{old}", "credentialsSecretRef": {"name": "Keys"}}
    schedule = {"metadata": {"namespace": "team"}, "spec": {"destination": {"s3": s3}}}
    there = Place("s3", "old", "of/old")

    async def link() -> str:
        cluster = KubeClient(
            lambda: kopf.ConnectionInfo(server="http://127.0.0.1:1"), "test", timeout_seconds=1
        )
        try:
            return await Buckets(cluster).link(Caller("ann"), None, schedule, there, "GET")
        finally:
            await cluster.close()

    with pytest.raises(ProblemError, match="The Secret Keys with the S3 credentials"):
        asyncio.run(link())


@pytest.mark.parametrize("name", ["absent", "x" * 300])
def test_a_folder_that_cannot_be_looked_at_is_not_mounted(tmp_path: Path, name: str) -> None:
    """So is one whose server is gone; a name too long is an error of the system as well."""
    volumes = Volumes([MountedClaim("team", "data", tmp_path / name)])

    async def opened() -> None:
        async with volumes.open("team", Place("volume", "data", "a"), 1):
            pass

    with pytest.raises(ProblemError, match="it is not mounted") as told:
        asyncio.run(opened())
    assert told.value.status == 503
