"""Files that runs kept, from real folders and a real S3 server, with each caller's permissions."""

import hashlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import obstore
import pytest

from tests.support import s3
from tests.support.api_process import StartApi, api_servers
from tests.support.callers import (
    API_ACCOUNT,
    AUDIENCE,
    Callers,
    account,
    bearer,
    binding,
    hashed_keys,
    install_account,
    kubeconfig_of,
    role,
)
from tests.support.s3 import KEY_ID, SECRET, S3Server
from tests.support.schedules import schedule
from tools.cluster import LocalCluster
from tools.cluster.host import require_program
from tools.cluster.kubectl import wait_for

BODY = os.urandom(600_000)
DIGEST = hashlib.sha256(BODY).hexdigest()
ETAG = f'"{DIGEST}"'
API_SERVER = "https://kubernetes.default.svc"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder at which the claim `data` is mounted."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The log of this module's API."""
    return tmp_path_factory.mktemp("content") / "api-0.log"


@pytest.fixture(scope="module")
def api(callers: Callers, folder: Path, log: Path) -> Iterator[httpx.Client]:
    """A client of an API with only the permissions that the chart gives it."""
    install_account(callers.team, "api.auth=kubernetes")
    kubeconfig = kubeconfig_of(callers.team, API_ACCOUNT, log.parent)
    with api_servers(kubeconfig, log.parent) as start:
        yield start(
            auth="kubernetes",
            key_file=str(hashed_keys(log.parent)),
            content_volumes=f"{callers.team.namespace}/data={folder}",
        )


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3.running(tmp_path_factory.mktemp("s3")) as server:
        obstore.put(server.store, "a b/ü.csv", BODY)
        yield server


@pytest.fixture(scope="module")
def secret_reader(callers: Callers) -> dict[str, str]:
    """Headers of a caller who may read the Secret. The API server accepts their token, too."""
    callers.team.apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "s3"},
            "stringData": CREDENTIALS,
        },
        role("secret", [("", ["secrets"], ["get"])]),
        binding("secret", account("editor", callers.team.namespace)),
    )
    return bearer_for_both(callers, "editor")


def bearer_for_both(callers: Callers, name: str) -> dict[str, str]:
    audiences = (f"--audience={AUDIENCE}", f"--audience={API_SERVER}")
    return bearer(callers.team("create", "token", name, *audiences).strip())


def add_run(
    callers: Callers, name: str, location: str | None, destination: Any = None, **members: Any
) -> str:
    """Create a schedule with a run that kept a file there; return the path of its content."""
    spec = {"destination": destination} if destination else {}
    callers.team.apply(schedule(name, **spec))
    run = {
        "id": "run-1",
        "job": f"{name}-1",
        "trigger": "Schedule",
        "state": "Completed",
        "completionTime": "2026-11-23T02:00:00Z",
        "bytes": len(BODY),
        "sha256": DIGEST,
        "contentType": "text/csv; charset=utf-8",
        **({"location": location} if location else {}),
        **members,
    }
    callers.team.patch("dls", name, {"status": {"history": [run]}}, "--subresource=status")
    return f"/schedules/{callers.team.namespace}.{name}/history/run-1/content"


def error(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["detail"]["error_type"]


def message(response: httpx.Response) -> str:
    text: str = response.json()["detail"]["error"]
    return text


@pytest.fixture
def on_volume(callers: Callers, folder: Path) -> str:
    """The path of the content of a run whose file is on the volume."""
    (folder / "a").mkdir(exist_ok=True)
    (folder / "a" / 'ü "b".csv').write_bytes(BODY)
    return add_run(callers, "on-volume", 'volume://data/a/ü "b".csv')


def test_file_on_a_volume_is_sent_with_its_headers(
    api: httpx.Client, callers: Callers, on_volume: str
) -> None:
    response = api.get(on_volume, headers=callers.headers["editor"])
    assert (response.status_code, response.content == BODY) == (200, True)
    expected = {
        "Content-Length": str(len(BODY)),
        "Content-Type": "text/csv; charset=utf-8",
        "Content-Disposition": 'attachment; filename="_ _b_.csv"; '
        "filename*=utf-8''%C3%BC%20%22b%22.csv",
        "Content-Security-Policy": "sandbox",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
        "Accept-Ranges": "bytes",
        "ETag": ETAG,
    }
    assert {name: response.headers.get(name) for name in expected} == expected
    head = api.head(on_volume, headers=callers.headers["editor"])
    assert (head.status_code, head.content) == (200, b"")
    assert {name: head.headers.get(name) for name in expected} == expected
    for part in ("bytes=0-9", f"bytes={len(BODY)}-"):
        head = api.head(on_volume, headers={**callers.headers["editor"], "Range": part})
        assert (head.status_code, head.headers["Content-Length"]) == (200, str(len(BODY)))
        assert "Content-Range" not in head.headers


def test_curl_saves_the_file_under_its_name(
    api: httpx.Client, callers: Callers, folder: Path, tmp_path: Path
) -> None:
    require_program("curl", "curl")
    (folder / "report.csv").write_bytes(BODY)
    path = add_run(callers, "named", "volume://data/report.csv")
    key = f"X-API-Key: {callers.headers['program']['X-API-Key']}"
    options = ["--silent", "--remote-header-name", "--remote-name", "--header", key]
    subprocess.run(["curl", *options, f"{api.base_url}{path}"], cwd=tmp_path, check=True)
    assert (tmp_path / "report.csv").read_bytes() == BODY


def test_caller_with_a_key_may_read_volumes(
    api: httpx.Client, callers: Callers, on_volume: str
) -> None:
    assert api.get(on_volume, headers=callers.headers["program"]).content == BODY


def test_range_and_conditions_select_part_of_the_file(
    api: httpx.Client, callers: Callers, on_volume: str
) -> None:
    def get(**headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return api.get(on_volume, headers={**callers.headers["editor"], **named})

    middle = get(Range="bytes=100000-499999")
    assert (middle.status_code, middle.content == BODY[100_000:500_000]) == (206, True)
    assert middle.headers["Content-Range"] == f"bytes 100000-499999/{len(BODY)}"
    assert get(Range="bytes=-7", If_Range=ETAG).content == BODY[-7:]
    assert get(Range="bytes=0-1", If_Range='"another"').content == BODY
    beyond = get(Range=f"bytes={len(BODY)}-")
    assert error(beyond) == (416, "range_not_satisfiable")
    assert beyond.headers["Content-Range"] == f"bytes */{len(BODY)}"
    unchanged = get(If_None_Match=ETAG)
    assert (unchanged.status_code, unchanged.content) == (304, b"")


def test_content_type_is_replaced_if_malformed_or_that_of_the_source(
    api: httpx.Client, callers: Callers, folder: Path, on_volume: str
) -> None:
    (folder / "x.md").write_bytes(BODY)
    headers = callers.headers["editor"]
    odd = add_run(callers, "odd", "volume://data/x.md", contentType="téxt/html\u2028x")
    assert api.get(odd, headers=headers).headers["Content-Type"] == "application/octet-stream"
    converted = add_run(callers, "converted", "volume://data/x.md", contentType="text/html")
    callers.team.patch("dls", "converted", {"spec": {"format": "markdown"}})
    assert api.get(converted, headers=headers).headers["Content-Type"] == "text/markdown"


def test_file_that_was_removed_or_replaced_is_gone(
    api: httpx.Client, callers: Callers, folder: Path, on_volume: str
) -> None:
    headers = callers.headers["editor"]
    (folder / "pruned").write_bytes(BODY)
    pruned = add_run(callers, "pruned", "volume://data/pruned")
    assert api.get(pruned, headers=headers).status_code == 200
    (folder / "pruned").unlink()
    assert error(api.get(pruned, headers=headers)) == (410, "content_gone")
    assert api.head(pruned, headers=headers).status_code == 410
    (folder / "pruned").write_bytes(BODY + b"x")
    replaced = api.get(pruned, headers=headers)
    assert error(replaced) == (410, "content_gone")
    assert "so it was replaced" in message(replaced)


def test_forged_location_does_not_lead_out_of_the_volume(
    api: httpx.Client, callers: Callers, folder: Path, on_volume: str
) -> None:
    """Whoever can create Pods in the namespace can make the status say anything."""
    (folder.parent / "secret").write_bytes(BODY)
    (folder / "link").symlink_to(folder.parent / "secret")
    (folder / "up").symlink_to("..")
    os.mkfifo(folder / "pipe")
    headers = callers.headers["editor"]
    for path, expected in (
        ("data/link", (410, "content_gone")),
        ("data/up/secret", (410, "content_gone")),
        ("data/pipe", (410, "content_gone")),
        ("data/a", (410, "content_gone")),
        ("data/../secret", (404, "content_not_found")),
        ("data//etc/passwd", (404, "content_not_found")),
        ("other/a", (404, "content_not_found")),
    ):
        forged = add_run(callers, "forged", f"volume://{path}")
        assert error(api.get(forged, headers=headers)) == expected
    assert "api.content.volumes" in message(api.get(forged, headers=headers))


def test_claim_of_another_namespace_is_another_claim(
    api: httpx.Client, callers: Callers, on_volume: str
) -> None:
    swapped = Callers(callers.elsewhere, callers.team)
    away = add_run(swapped, "away", 'volume://data/a/ü "b".csv')
    refused = api.get(away, headers=callers.headers["outsider"])
    assert error(refused) == (404, "content_not_found")
    assert f"the namespace {callers.elsewhere.namespace}" in message(refused)


def test_run_without_a_file_has_no_content(api: httpx.Client, callers: Callers) -> None:
    for members, expected in (
        ({"state": "Running"}, (409, "run_active")),
        ({"state": "Failed"}, (404, "content_not_found")),
        ({"unchanged": True}, (404, "content_not_found")),
        ({}, (404, "content_not_found")),
    ):
        location = "volume://data/x" if members.get("unchanged") else None
        path = add_run(callers, "without", location, **members)
        assert error(api.get(path, headers=callers.headers["editor"])) == expected


def in_bucket(server: S3Server) -> dict[str, Any]:
    return {
        "s3": {
            "bucket": server.bucket,
            "endpoint": server.endpoint,
            "credentialsSecretRef": {"name": "s3"},
        }
    }


@pytest.fixture
def stored(callers: Callers, bucket: S3Server) -> str:
    """The path of the content of a run whose file is in the bucket."""
    return add_run(callers, "stored", "s3://downloads/a b/ü.csv", in_bucket(bucket))


def test_object_is_a_redirect_to_a_link_for_a_minute(
    api: httpx.Client, stored: str, secret_reader: dict[str, str], bucket: S3Server, log: Path
) -> None:
    def redirected() -> httpx.Response | None:
        response = api.get(stored, headers=secret_reader)
        return response if response.status_code == 307 else None

    response = wait_for("the permission for the Secret", redirected)
    link = httpx.URL(response.headers["Location"])
    assert str(link).startswith(f"{bucket.endpoint}/{bucket.bucket}/")
    assert link.params["X-Amz-Expires"] == "60"
    assert response.headers["Cache-Control"] == "no-store"
    assert httpx.get(link, trust_env=False).content == BODY
    assert httpx.put(link, content=b"x", trust_env=False).status_code == 403
    head = api.head(stored, headers=secret_reader)
    assert httpx.head(head.headers["Location"], trust_env=False).is_success
    log_text = log.read_text()
    for secret in (KEY_ID, SECRET, link.params["X-Amz-Signature"], "X-Amz"):
        assert secret not in log_text


def test_caller_without_permission_for_the_secret_gets_no_link(
    api: httpx.Client, callers: Callers, stored: str, secret_reader: dict[str, str]
) -> None:
    callers.add("no-secrets", ["get"], callers.team)
    callers.team.apply(
        role("content", [("downloads.dev", ["downloadschedules/content"], ["get"])]),
        binding("content", account("no-secrets", callers.team.namespace)),
    )
    headers = bearer_for_both(callers, "no-secrets")

    def refused() -> httpx.Response | None:
        response = api.get(stored, headers=headers)
        return response if "secrets" in message(response) else None

    response = wait_for("the permission for the content", refused, every=1)
    assert error(response) == (403, "forbidden")
    scope = f"in the namespace {callers.team.namespace}"
    assert f"no-secrets may not get secrets s3 {scope}" in message(response)


def test_caller_without_a_token_for_the_api_server_gets_no_link(
    api: httpx.Client, callers: Callers, stored: str, secret_reader: dict[str, str]
) -> None:
    ours = api.get(stored, headers=callers.headers["editor"])
    assert error(ours) == (403, "forbidden")
    assert "repeat --audience" in message(ours)
    key = api.get(stored, headers=callers.headers["program"])
    assert error(key) == (403, "forbidden")
    assert "you sent an API key" in message(key)
    both = {**secret_reader, **callers.headers["program"]}
    assert error(api.get(stored, headers=both)) == (403, "forbidden")


def test_client_certificate_of_the_api_does_not_lend_its_permissions(
    start_api: StartApi,
    cluster: LocalCluster,
    callers: Callers,
    stored: str,
    secret_reader: dict[str, str],
) -> None:
    """The administrator's kubeconfig has a certificate, which takes precedence over a token."""
    api = start_api(auth="kubernetes")
    headers = bearer_for_both(callers, "admin")
    assert api.get(stored, headers=headers).status_code == 307
    callers.add("writer", ["get"], callers.team)
    callers.team.apply(
        role("writer-content", [("downloads.dev", ["downloadschedules/content"], ["get"])]),
        binding("writer-content", account("writer", callers.team.namespace)),
    )
    writer = bearer_for_both(callers, "writer")
    wait_for("the permission", lambda: "secrets" in api.get(stored, headers=writer).text, every=1)
    assert error(api.get(stored, headers=writer)) == (403, "forbidden")


def test_link_is_only_for_the_bucket_of_the_schedule(
    api: httpx.Client, callers: Callers, bucket: S3Server, secret_reader: dict[str, str]
) -> None:
    for location in ("s3://others/a", "s3://downloads/../others/a", "s3://downloads//a"):
        forged = add_run(callers, "forged-key", location, in_bucket(bucket))
        assert error(api.get(forged, headers=secret_reader)) == (404, "content_not_found")
    nowhere = add_run(callers, "nowhere", "s3://downloads/a b/ü.csv")
    assert error(api.get(nowhere, headers=secret_reader)) == (404, "content_not_found")


def test_missing_or_incomplete_secret_is_named(
    api: httpx.Client, callers: Callers, bucket: S3Server, secret_reader: dict[str, str]
) -> None:
    destination = in_bucket(bucket)
    destination["s3"]["credentialsSecretRef"]["name"] = "odd"
    odd = add_run(callers, "odd-secret", "s3://downloads/a", destination)
    absent = wait_for(
        "the permission for Secrets",
        lambda: (
            response
            if (response := api.get(odd, headers=secret_reader)).status_code == 404
            else None
        ),
    )
    assert "The Secret odd with the S3 credentials is missing" in message(absent)
    callers.team("create", "secret", "generic", "odd", f"--from-literal=AWS_ACCESS_KEY_ID={KEY_ID}")
    incomplete = api.get(odd, headers=secret_reader)
    assert "has no AWS_SECRET_ACCESS_KEY" in message(incomplete)
    assert KEY_ID not in incomplete.text
