"""The API server's verdict on expressions and zones is ours: server-side dry-run of each."""

import json
import random
import re
from typing import Any

import pytest
from pydantic_core import PydanticCustomError

from download_schedule.cron import CronError, parse, render
from download_schedule.rules import SCHEDULE
from tests.differential.cases import BAD_ZONES, FOREIGN, ODD_ZONES, expression
from tests.support.kubectl import Kubectl, RefusedError
from tests.support.schedules import schedule

UID = "7c3f0b5e-8a4e-4b34-9b1c-0a3a8f9f6d10"
_RANDOM = random.Random(37)
EXPRESSIONS = (*FOREIGN, *(expression(_RANDOM) for _ in range(300)))
OURS_ALONE = "never fire|list is empty|'@every'|has an H"
"""What we refuse beyond Kubernetes, by the sentences that say so."""


def refused(kubectl: Kubectl, objects: list[dict[str, Any]]) -> set[int]:
    """The positions of those that the API server would not create, which it is not made to."""
    listed = {"apiVersion": "v1", "kind": "List", "items": objects}
    try:
        kubectl("create", "--dry-run=server", "--filename=-", stdin=json.dumps(listed))
    except RefusedError as error:
        return set(map(int, re.findall(r'"c-(\d+)" is invalid: ', str(error))))
    return set()


def cron_job(position: int, expression: str, time_zone: str = "Etc/UTC") -> dict[str, Any]:
    container = {"name": "c", "image": "registry.invalid/none"}
    pod = {"restartPolicy": "Never", "containers": [container]}
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": f"c-{position}"},
        "spec": {
            "schedule": expression,
            "timeZone": time_zone,
            "jobTemplate": {"spec": {"template": {"spec": pod}}},
        },
    }


def refusal(expression: str, time_zone: str = "Etc/UTC") -> str:
    try:
        parse(expression, time_zone)
    except CronError as error:
        return str(error)
    return ""


def test_expressions(kubectl: Kubectl) -> None:
    theirs = refused(kubectl, [cron_job(i, text) for i, text in enumerate(EXPRESSIONS)])
    assert len(EXPRESSIONS) - len(theirs) > 150
    for position, text in enumerate(EXPRESSIONS):
        ours = refusal(text)
        if position in theirs:
            assert ours, text
        else:
            assert not ours or re.search(OURS_ALONE, ours), (text, ours)


def test_zones(kubectl: Kubectl) -> None:
    zones = (*ODD_ZONES, *(zone for zone in BAD_ZONES if zone.isascii()))
    theirs = refused(kubectl, [cron_job(i, "* * * * *", zone) for i, zone in enumerate(zones)])
    assert theirs == {i for i, zone in enumerate(zones) if refusal("* * * * *", zone)}


@pytest.mark.parametrize("form", ["H H H H H", "H/7 * * * *", "H(0-29)/10 H(0-7) * H(jan-mar) *"])
def test_rendered_hashes(kubectl: Kubectl, form: str) -> None:
    texts = [render(form, f"{UID}{number}") for number in range(20)]
    assert not refused(kubectl, [cron_job(i, text) for i, text in enumerate(texts)])


def test_rules_of_the_resource_are_read_alike_by_both(kubectl: Kubectl) -> None:
    """CEL and RE2 in the API server, Python in the front-end: the same texts pass."""
    texts = [text for text in EXPRESSIONS if "\u017f" not in text]  # RE2 folds it with s
    objects = [schedule(f"c-{i}", schedule=text) for i, text in enumerate(texts)]
    assert refused(kubectl, objects) == {i for i, text in enumerate(texts) if not admitted(text)}


def test_a_path_has_what_unicode_knows_nothing_of_wherever_the_api_server_is_built(
    kubectl: Kubectl,
) -> None:
    def keeping(position: int, character: str) -> dict[str, Any]:
        volume = {"claimName": "data", "path": f"a{character}b"}
        return schedule(f"c-{position}", destination={"volume": volume})

    characters = ["\u0378", "\ufffe", "\u200b", "\ue000", "\u00ad", "\u2028", "\u3000", "\x85"]
    objects = [keeping(i, character) for i, character in enumerate(characters)]
    assert refused(kubectl, objects) == set(range(2, len(characters)))


def admitted(text: str) -> bool:
    try:
        SCHEDULE.enforce(text)
    except PydanticCustomError:
        return False
    return True
