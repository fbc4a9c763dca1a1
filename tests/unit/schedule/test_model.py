"""Validation of a whole spec, and what is written to the API server."""

from typing import Any

import pytest
from pydantic import ValidationError

from download_schedule.model import Destination, Spec, State, Volume

URL = "https://example.com/report.csv"


def test_spec_is_written_in_camel_case_without_unset_members() -> None:
    spec = Spec(
        url=URL, schedule="H 2 * * *", destination=Destination(volume=Volume(claim_name="a"))
    )
    resource = spec.to_resource()
    assert resource["timeZone"] == "Etc/UTC"
    assert resource["destination"]["volume"]["claimName"] == "a"
    assert "keepLast" not in resource
    assert Spec.model_validate(resource) == spec


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"schedule": "0 0 31 2 *"}, "would never fire"),
        ({"schedule": "22-6 2 * * *"}, "runs backwards"),
        ({"schedule": "H/61 * * * *"}, "write a step of 1-60"),
        ({"timeZone": "Mars/Olympus"}, "is not a known zone"),
        ({"keepLast": 1}, "write destination.volume"),
        ({"onlyIfChanged": True, "destination": {"discard": {}}}, "write destination.volume"),
        ({"destination": {"discard": {}, "volume": {"claimName": "a"}}}, "takes one member"),
        ({"request": {"body": "x"}}, "write method: POST"),
        ({"verify": {"minBytes": 2, "maxBytes": 1}}, "minBytes must not be greater"),
        ({"request": {"headers": [{"name": "A"}]}}, "either value or valueFrom"),
        ({"unknown": 1}, "Extra inputs are not permitted"),
    ],
)
def test_invalid_spec_is_refused(members: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Spec.model_validate({"url": URL, "schedule": "0 2 * * *", **members})


def headers_from(*secrets: str) -> dict[str, Any]:
    """A request with one header from each of these Secrets."""
    sources = [{"secretKeyRef": {"name": name, "key": "k"}} for name in secrets]
    return {"headers": [{"name": f"X-{i}", "valueFrom": s} for i, s in enumerate(sources)]}


def s3_with(secret: str) -> dict[str, Any]:
    return {"s3": {"bucket": "reports", "credentialsSecretRef": {"name": secret}}}


@pytest.mark.parametrize(
    "members",
    [
        {"request": headers_from("a", "b", "c", "d")},
        {"request": headers_from("a", "b", "c"), "destination": s3_with("d")},
        {"request": headers_from(*"abcd" * 8), "destination": s3_with("a")},
    ],
)
def test_four_different_secrets_are_accepted(members: dict[str, Any]) -> None:
    assert Spec.model_validate({"url": URL, "schedule": "0 2 * * *", **members})


@pytest.mark.parametrize(
    "members",
    [
        {"request": headers_from("a", "b", "c", "d", "e")},
        {"request": headers_from("a", "b", "c", "d"), "destination": s3_with("e")},
    ],
)
def test_fifth_secret_is_refused(members: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="at most 4 Secrets; put several values into one"):
        Spec.model_validate({"url": URL, "schedule": "0 2 * * *", **members})


def test_model_is_immutable() -> None:
    spec = Spec(url=URL, schedule="0 2 * * *")
    with pytest.raises(ValidationError, match="frozen"):
        spec.suspend = True  # type: ignore[misc]  # that is what the test is about


def test_terminal_states() -> None:
    terminal = [state for state in State if state.is_terminal]
    assert terminal == [State.COMPLETED, State.FAILED, State.SKIPPED]
