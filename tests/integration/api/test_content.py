"""What runs downloaded, from real folders and a real S3 server, with everybody's own rights."""

import hashlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import obstore
import pytest

from tests.integration.api.conftest import StartApi, servers
from tests.support import s3
from tests.support.callers import (
    API_ACCOUNT,
    AUDIENCE,
    People,
    account,
    bearer,
    binding,
    hashed_keys,
    install_account,
    kubeconfig_of,
    role,
)
from tests.support.kubectl import wait_for
from tests.support.s3 import KEY_ID, SECRET, S3Server
from tests.support.schedules import schedule
from tools.cluster import LocalCluster
from tools.cluster.host import require_program

BODY = os.urandom(600_000)
DIGEST = hashlib.sha256(BODY).hexdigest()
ETAG = f'"{DIGEST}"'
API_SERVER = "https://kubernetes.default.svc"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The claim `data`, as it is mounted into the API's container."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the API of this module writes its log."""
    return tmp_path_factory.mktemp("content") / "api-0.log"


@pytest.fixture(scope="module")
def api(team: People, folder: Path, log: Path) -> Iterator[httpx.Client]:
    """The API with no rights but those of the chart."""
    install_account(team.team, "api.auth=kubernetes")
    kubeconfig = kubeconfig_of(team.team, API_ACCOUNT, log.parent)
    with servers(kubeconfig, log.parent) as start:
        yield start(
            auth="kubernetes",
            key_file=str(hashed_keys(log.parent)),
            content_volumes=f"{team.team.namespace}/data={folder}",
        )


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3.running(tmp_path_factory.mktemp("s3")) as server:
        obstore.put(server.store, "a b/ü.csv", BODY)
        yield server


@pytest.fixture(scope="module")
def buyer(team: People) -> dict[str, str]:
    """Somebody who may read the Secret, with a token that the API server takes as well."""
    team.team.apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "s3"},
            "stringData": CREDENTIALS,
        },
        role("secret", [("", ["secrets"], ["get"])]),
        binding("secret", account("editor", team.team.namespace)),
    )
    return for_both(team, "editor")


def for_both(team: People, name: str) -> dict[str, str]:
    audiences = (f"--audience={AUDIENCE}", f"--audience={API_SERVER}")
    return bearer(team.team("create", "token", name, *audiences).strip())


def keep(
    team: People, name: str, location: str | None, destination: Any = None, **members: Any
) -> str:
    """Have a schedule with a run that kept a file there; return the path of the content."""
    spec = {"destination": destination} if destination else {}
    team.team.apply(schedule(name, **spec))
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
    team.team.patch("dls", name, {"status": {"history": [run]}}, "--subresource=status")
    return f"/schedules/{team.team.namespace}.{name}/history/run-1/content"


def error(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["detail"]["error_type"]


def sentence(answer: httpx.Response) -> str:
    found: str = answer.json()["detail"]["error"]
    return found


@pytest.fixture
def where(team: People, folder: Path) -> str:
    """The content of a run whose file lies on the volume."""
    (folder / "a").mkdir(exist_ok=True)
    (folder / "a" / 'ü "b".csv').write_bytes(BODY)
    return keep(team, "on-volume", 'volume://data/a/ü "b".csv')


def test_a_file_of_a_volume(api: httpx.Client, team: People, where: str) -> None:
    answer = api.get(where, headers=team.headers["editor"])
    assert (answer.status_code, answer.content == BODY) == (200, True)
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
    assert {name: answer.headers.get(name) for name in expected} == expected
    head = api.head(where, headers=team.headers["editor"])
    assert (head.status_code, head.content) == (200, b"")
    assert {name: head.headers.get(name) for name in expected} == expected
    for part in ("bytes=0-9", f"bytes={len(BODY)}-"):
        head = api.head(where, headers={**team.headers["editor"], "Range": part})
        assert (head.status_code, head.headers["Content-Length"]) == (200, str(len(BODY)))
        assert "Content-Range" not in head.headers


def test_curl_names_the_file_as_the_answer_does(
    api: httpx.Client, team: People, folder: Path, tmp_path: Path
) -> None:
    require_program("curl", "curl")
    (folder / "report.csv").write_bytes(BODY)
    where = keep(team, "named", "volume://data/report.csv")
    key = f"X-API-Key: {team.headers['program']['X-API-Key']}"
    options = ["--silent", "--remote-header-name", "--remote-name", "--header", key]
    subprocess.run(["curl", *options, f"{api.base_url}{where}"], cwd=tmp_path, check=True)
    assert (tmp_path / "report.csv").read_bytes() == BODY


def test_a_program_with_a_key_reads_volumes(api: httpx.Client, team: People, where: str) -> None:
    assert api.get(where, headers=team.headers["program"]).content == BODY


def test_parts_of_a_file(api: httpx.Client, team: People, where: str) -> None:
    def get(**more: str) -> httpx.Response:
        headers = {name.replace("_", "-"): value for name, value in more.items()}
        return api.get(where, headers={**team.headers["editor"], **headers})

    middle = get(Range="bytes=100000-499999")
    assert (middle.status_code, middle.content == BODY[100_000:500_000]) == (206, True)
    assert middle.headers["Content-Range"] == f"bytes 100000-499999/{len(BODY)}"
    assert get(Range="bytes=-7", If_Range=ETAG).content == BODY[-7:]
    assert get(Range="bytes=0-1", If_Range='"another"').content == BODY
    beyond = get(Range=f"bytes={len(BODY)}-")
    assert error(beyond) == (416, "range_not_satisfiable")
    assert beyond.headers["Content-Range"] == f"bytes */{len(BODY)}"
    known = get(If_None_Match=ETAG)
    assert (known.status_code, known.content) == (304, b"")


def test_a_type_that_is_none_and_a_file_made_of_another(
    api: httpx.Client, team: People, folder: Path, where: str
) -> None:
    (folder / "x.md").write_bytes(BODY)
    headers = team.headers["editor"]
    odd = keep(team, "odd", "volume://data/x.md", contentType="téxt/html\u2028x")
    assert api.get(odd, headers=headers).headers["Content-Type"] == "application/octet-stream"
    made = keep(team, "made", "volume://data/x.md", contentType="text/html")
    team.team.patch("dls", "made", {"spec": {"format": "markdown"}})
    assert api.get(made, headers=headers).headers["Content-Type"] == "text/markdown"


def test_a_file_that_is_not_there_any_more(
    api: httpx.Client, team: People, folder: Path, where: str
) -> None:
    headers = team.headers["editor"]
    (folder / "pruned").write_bytes(BODY)
    pruned = keep(team, "pruned", "volume://data/pruned")
    assert api.get(pruned, headers=headers).status_code == 200
    (folder / "pruned").unlink()
    assert error(api.get(pruned, headers=headers)) == (410, "content_gone")
    assert api.head(pruned, headers=headers).status_code == 410
    (folder / "pruned").write_bytes(BODY + b"x")
    replaced = api.get(pruned, headers=headers)
    assert error(replaced) == (410, "content_gone")
    assert "it was replaced" in sentence(replaced)


def test_what_a_status_may_not_lead_to(
    api: httpx.Client, team: People, folder: Path, where: str
) -> None:
    """Who may make Pods in the namespace may have the status say what he likes."""
    (folder.parent / "secret").write_bytes(BODY)
    (folder / "link").symlink_to(folder.parent / "secret")
    (folder / "up").symlink_to("..")
    os.mkfifo(folder / "pipe")
    headers = team.headers["editor"]
    for path, expected in (
        ("data/link", (410, "content_gone")),
        ("data/up/secret", (410, "content_gone")),
        ("data/pipe", (410, "content_gone")),
        ("data/a", (410, "content_gone")),
        ("data/../secret", (404, "content_not_found")),
        ("data//etc/passwd", (404, "content_not_found")),
        ("other/a", (404, "content_not_found")),
    ):
        forged = keep(team, "forged", f"volume://{path}")
        assert error(api.get(forged, headers=headers)) == expected
    assert "api.content.volumes" in sentence(api.get(forged, headers=headers))


def test_the_claim_of_another_namespace_is_another_claim(
    api: httpx.Client, team: People, where: str
) -> None:
    other = People(team.elsewhere, team.team)
    away = keep(other, "away", 'volume://data/a/ü "b".csv')
    refused = api.get(away, headers=team.headers["outsider"])
    assert error(refused) == (404, "content_not_found")
    assert f"the namespace {team.elsewhere.namespace}" in sentence(refused)


def test_runs_without_a_file(api: httpx.Client, team: People) -> None:
    for members, expected in (
        ({"state": "Running"}, (409, "run_active")),
        ({"state": "Failed"}, (404, "content_not_found")),
        ({"unchanged": True}, (404, "content_not_found")),
        ({}, (404, "content_not_found")),
    ):
        location = "volume://data/x" if members.get("unchanged") else None
        path = keep(team, "without", location, **members)
        assert error(api.get(path, headers=team.headers["editor"])) == expected


def in_bucket(server: S3Server) -> dict[str, Any]:
    return {
        "s3": {
            "bucket": server.bucket,
            "endpoint": server.endpoint,
            "credentialsSecretRef": {"name": "s3"},
        }
    }


@pytest.fixture
def stored(team: People, bucket: S3Server) -> str:
    """The content of a run whose file is in the bucket."""
    return keep(team, "stored", "s3://downloads/a b/ü.csv", in_bucket(bucket))


def test_an_object_by_a_link_of_a_minute(
    api: httpx.Client, stored: str, buyer: dict[str, str], bucket: S3Server, log: Path
) -> None:
    def redirected() -> httpx.Response | None:
        answer = api.get(stored, headers=buyer)
        return answer if answer.status_code == 307 else None

    answer = wait_for("the right to the Secret", redirected)
    link = httpx.URL(answer.headers["Location"])
    assert str(link).startswith(f"{bucket.endpoint}/{bucket.bucket}/")
    assert link.params["X-Amz-Expires"] == "60"
    assert answer.headers["Cache-Control"] == "no-store"
    assert httpx.get(link, trust_env=False).content == BODY
    assert httpx.put(link, content=b"x", trust_env=False).status_code == 403
    head = api.head(stored, headers=buyer)
    assert httpx.head(head.headers["Location"], trust_env=False).is_success
    written = log.read_text()
    for secret in (KEY_ID, SECRET, link.params["X-Amz-Signature"], "X-Amz"):
        assert secret not in written


def test_without_the_right_to_the_secret(
    api: httpx.Client, team: People, stored: str, buyer: dict[str, str]
) -> None:
    team.with_rights("stranger-to-secrets", ["get"], team.team)
    team.team.apply(
        role("content", [("downloads.dev", ["downloadschedules/content"], ["get"])]),
        binding("content", account("stranger-to-secrets", team.team.namespace)),
    )
    headers = for_both(team, "stranger-to-secrets")

    def refused() -> httpx.Response | None:
        answer = api.get(stored, headers=headers)
        return answer if "secrets" in sentence(answer) else None

    answer = wait_for("the right to the content", refused, every=1)
    assert error(answer) == (403, "forbidden")
    place = f"in the namespace {team.team.namespace}"
    assert f"stranger-to-secrets may not get secrets s3 {place}" in sentence(answer)


def test_who_has_no_token_for_the_api_server(
    api: httpx.Client, team: People, stored: str, buyer: dict[str, str]
) -> None:
    ours = api.get(stored, headers=team.headers["editor"])
    assert error(ours) == (403, "forbidden")
    assert "--audience more than once" in sentence(ours)
    key = api.get(stored, headers=team.headers["program"])
    assert error(key) == (403, "forbidden")
    assert "an API key is none" in sentence(key)
    both = {**buyer, **team.headers["program"]}
    assert error(api.get(stored, headers=both)) == (403, "forbidden")


def test_a_certificate_of_the_apis_own_lends_nobody_its_rights(
    start_api: StartApi, cluster: LocalCluster, team: People, stored: str, buyer: dict[str, str]
) -> None:
    """By the administrator's kubeconfig, whose certificate would go before the token."""
    api = start_api(auth="kubernetes")
    headers = for_both(team, "admin")
    assert api.get(stored, headers=headers).status_code == 307
    team.with_rights("writer", ["get"], team.team)
    team.team.apply(
        role("writer-content", [("downloads.dev", ["downloadschedules/content"], ["get"])]),
        binding("writer-content", account("writer", team.team.namespace)),
    )
    poor = for_both(team, "writer")
    wait_for("the right", lambda: "secrets" in api.get(stored, headers=poor).text, every=1)
    assert error(api.get(stored, headers=poor)) == (403, "forbidden")


def test_only_the_schedules_own_bucket(
    api: httpx.Client, team: People, bucket: S3Server, buyer: dict[str, str]
) -> None:
    for location in ("s3://others/a", "s3://downloads/../others/a", "s3://downloads//a"):
        forged = keep(team, "forged-key", location, in_bucket(bucket))
        assert error(api.get(forged, headers=buyer)) == (404, "content_not_found")
    nowhere = keep(team, "nowhere", "s3://downloads/a b/ü.csv")
    assert error(api.get(nowhere, headers=buyer)) == (404, "content_not_found")


def test_a_secret_that_is_not_as_it_should_be(
    api: httpx.Client, team: People, bucket: S3Server, buyer: dict[str, str]
) -> None:
    destination = in_bucket(bucket)
    destination["s3"]["credentialsSecretRef"]["name"] = "odd"
    odd = keep(team, "odd-secret", "s3://downloads/a", destination)
    absent = wait_for(
        "the right to Secrets",
        lambda: answer if (answer := api.get(odd, headers=buyer)).status_code == 404 else None,
    )
    assert "There is no Secret odd" in sentence(absent)
    team.team("create", "secret", "generic", "odd", f"--from-literal=AWS_ACCESS_KEY_ID={KEY_ID}")
    lacking = api.get(odd, headers=buyer)
    assert "has no AWS_SECRET_ACCESS_KEY" in sentence(lacking)
    assert KEY_ID not in lacking.text
