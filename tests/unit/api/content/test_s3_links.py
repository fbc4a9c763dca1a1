"""Links to objects in S3."""

import asyncio
from urllib.parse import parse_qs, urlsplit

import kopf
import pytest

from download_api.auth.reviews import Caller
from download_api.content.location import FileLocation
from download_api.content.s3_links import S3Links, sign_url
from download_api.problems.problem import ProblemError
from download_kube.client import KubeClient
from download_schedule.model import S3

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "theirs", "AWS_SECRET_ACCESS_KEY": "secret"}
DOWNLOADS = S3.model_validate({"bucket": "downloads", "credentialsSecretRef": {"name": "s"}})


@pytest.fixture(autouse=True)
def environment_with_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "of-the-api")


def test_link_is_signed_with_the_given_credentials_alone() -> None:
    link = urlsplit(sign_url(DOWNLOADS, CREDENTIALS, "a b/ü?&#.csv", "GET"))
    assert (link.scheme, link.netloc) == ("https", "s3.us-east-1.amazonaws.com")
    assert link.path == "/downloads/a%20b/%C3%BC%3F%26%23.csv"
    query = parse_qs(link.query)
    assert query["X-Amz-Expires"] == ["60"]
    assert query["X-Amz-Credential"][0].startswith("theirs/")
    assert "X-Amz-Security-Token" not in query


def test_link_carries_the_session_token_but_not_the_secret() -> None:
    link = sign_url(DOWNLOADS, {**CREDENTIALS, "AWS_SESSION_TOKEN": "short"}, "a", "HEAD")
    assert parse_qs(urlsplit(link).query)["X-Amz-Security-Token"] == ["short"]
    assert "secret" not in link


@pytest.mark.parametrize(
    ("endpoint", "key", "message"),
    [
        ("http://s3.example.com:99999", "a", "endpoint of the schedule is not an address"),
        ("http://[::1", "a", "endpoint of the schedule is not an address"),
        ("http://s3.example.com", "a\nb", "names an object that cannot exist"),
    ],
)
def test_object_that_cannot_exist_is_a_404(endpoint: str, key: str, message: str) -> None:
    s3 = DOWNLOADS.model_copy(update={"endpoint": endpoint})
    with pytest.raises(ProblemError, match=message) as refusal:
        sign_url(s3, CREDENTIALS, key, "GET")
    assert (refusal.value.status, refusal.value.error_type) == (404, "content_not_found")


def test_destination_that_is_older_than_a_rule_is_still_served() -> None:
    s3 = {"bucket": "old", "key": "/of/{old}", "credentialsSecretRef": {"name": "Keys"}}
    schedule = {"metadata": {"namespace": "team"}, "spec": {"destination": {"s3": s3}}}
    location = FileLocation("s3", "old", "of/old")

    async def create_link() -> str:
        client = KubeClient(
            lambda: kopf.ConnectionInfo(server="http://127.0.0.1:1"), "test", timeout_seconds=1
        )
        try:
            return await S3Links(client).create(Caller("ann"), None, schedule, location, "GET")
        finally:
            await client.close()

    with pytest.raises(ProblemError, match="reads the Secret Keys with the S3 credentials"):
        asyncio.run(create_link())
