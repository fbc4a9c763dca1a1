"""The API's key while somebody else writes its Secret."""

import asyncio
from typing import Any

import pytest

from download_api.bootstrap_key import MAX_ATTEMPTS, ensure_key
from download_kube.errors import ApiError
from tests.support.fake_kube_client import FakeKubeClient

EMPTY: dict[str, Any] = {"metadata": {"name": "key", "resourceVersion": "1"}, "type": "Opaque"}
FILLED = {**EMPTY, "data": {"api-key": "dGhlaXJz"}}
CONFLICT = ApiError(409, "Conflict", "the object has been modified")


def key_of(client: Any) -> bytes:
    return asyncio.run(ensure_key(client, "place", "key"))


def test_key_of_a_faster_pod_is_used() -> None:
    client = FakeKubeClient(EMPTY, CONFLICT, FILLED)
    assert key_of(client) == b"theirs"
    assert client.methods() == ["GET", "PUT", "GET"]
    assert client.sent[1].body["metadata"]["resourceVersion"] == "1"


def test_secret_that_changes_all_the_time_is_an_error() -> None:
    responses: list[dict[str, Any] | Exception] = [EMPTY, CONFLICT]
    client = FakeKubeClient(*responses * MAX_ATTEMPTS)
    with pytest.raises(LookupError, match="somebody else keeps writing the Secret key of the"):
        key_of(client)


def test_refusal_is_not_repeated() -> None:
    with pytest.raises(ApiError, match="quota"):
        key_of(FakeKubeClient(EMPTY, ApiError(403, "Forbidden", "quota")))
