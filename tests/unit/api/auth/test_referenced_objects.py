"""The objects that a schedule refers to, and which of them a change needs permission for."""

import json
import re
from typing import Any

import pytest

from download_api.auth.referenced_objects import (
    Reference,
    find_references,
    references_to_authorize,
)
from download_schedule.model import Spec

SECRET = {"request": {"headers": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s"}}}]}}
VOLUME = {"destination": {"volume": {"claimName": "c"}}}
S, C = Reference("secrets", "s"), Reference("persistentvolumeclaims", "c")


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"url": "claimName"}, set()),
        (SECRET, {S}),
        (VOLUME, {C}),
        ({**SECRET, **VOLUME}, {S, C}),
        ({"destination": {"s3": {"credentialsSecretRef": {"name": "s"}}}}, {S}),
        ({"webhooks": [{"secretRef": {"name": "s"}}]}, {S}),
    ],
)
def test_new_schedule_needs_permission_for_all_its_references(
    spec: dict[str, Any], expected: set[Reference]
) -> None:
    assert find_references(spec) == expected
    assert references_to_authorize(None, spec) == expected


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (SECRET, SECRET, set()),
        (SECRET, {**SECRET, "schedule": "x"}, set()),
        (SECRET, {**SECRET, "url": "x"}, {S}),
        (SECRET, {**SECRET, **VOLUME}, {S, C}),
        (SECRET, {"request": {**SECRET["request"], "maxRedirects": 9}}, {S}),
        (SECRET, {"request": {"headers": []}}, set()),
        (VOLUME, {"destination": {"volume": {"claimName": "c", "path": "p"}}}, {C}),
        (VOLUME, {**VOLUME, "keepLast": 1}, {C}),
        ({**VOLUME, "keepLast": 9}, {**VOLUME, "keepLast": 1}, {C}),
        ({**VOLUME, "keepLast": 9}, VOLUME, {C}),
        ({"keepLast": 9}, {"keepLast": 1}, set()),
        ({}, {"webhooks": [{"secretRef": {"name": "s"}}]}, {S}),
    ],
)
def test_change_needs_permission_for_new_references_or_if_content_goes_elsewhere(
    old: dict[str, Any], new: dict[str, Any], expected: set[Reference]
) -> None:
    assert references_to_authorize(old, new) == expected


def test_every_reference_of_the_resource_has_a_name_that_is_found() -> None:
    """A member with a name of another form would not be checked."""
    schema = json.dumps(Spec.model_json_schema(by_alias=True))
    members = set(re.findall(r'"([a-z]\w*(?:Ref|Name))":', schema))
    assert {"claimName", "secretKeyRef", "calendarRef"} <= members
    # Nobody needs a right to a calendar: docs/design/2026-11-calendars.md.
    for member in members - {"claimName", "calendarRef"}:
        assert find_references({member: {"name": "s"}}) == {S}
