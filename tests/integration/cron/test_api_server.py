"""The API server accepts the same expressions and zones as we do (server-side dry run)."""

import json
import random
import re
from typing import Any, Final

import pytest
from pydantic import ValidationError

from download_schedule.cron import CronError, parse, render
from download_schedule.model import Spec
from tests.support import wait_cases
from tests.support.cron_cases import BAD_ZONES, FOREIGN, ODD_ZONES, expression, is_admitted
from tests.support.exclude_cases import ADMITTED as ADMITTED_DAYS
from tests.support.exclude_cases import BY_SCHEMA as DAYS_OUT_OF_BOUNDS
from tests.support.exclude_cases import REFUSED as REFUSED_DAYS
from tests.support.exclude_cases import random_dates
from tests.support.schedules import URL, schedule
from tests.support.template_cases import ADMITTED, REFUSED, random_text, spec_with
from tools.cluster.kubectl import Kubectl, RefusedError

UID: Final = "7c3f0b5e-8a4e-4b34-9b1c-0a3a8f9f6d10"
_RANDOM: Final = random.Random(37)
EXPRESSIONS: Final = (*FOREIGN, *(expression(_RANDOM) for _ in range(300)))
OURS_ALONE: Final = "never fire|list is empty|'@every'|has an H"
"""Pattern of our sentences about expressions that Kubernetes accepts and we refuse."""
DAILY: Final = "0 0 * * *"


def refused(kubectl: Kubectl, objects: list[dict[str, Any]]) -> set[int]:
    """Return the positions of the objects that the API server refuses. It creates none of them."""
    manifests = {"apiVersion": "v1", "kind": "List", "items": objects}
    try:
        # Without kubectl's own validation, which would not say which object is wrong.
        command = ("create", "--dry-run=server", "--validate=false", "--filename=-")
        kubectl(*command, stdin=json.dumps(manifests))
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
    """Return our sentence about the expression, or an empty text if we accept it."""
    try:
        parse(expression, time_zone)
    except CronError as error:
        return str(error)
    return ""


def test_api_server_and_parser_refuse_the_same_expressions(kubectl: Kubectl) -> None:
    theirs = refused(kubectl, [cron_job(i, text) for i, text in enumerate(EXPRESSIONS)])

    assert len(EXPRESSIONS) - len(theirs) > 150
    for position, text in enumerate(EXPRESSIONS):
        ours = refusal(text)
        if position in theirs:
            assert ours, text
        else:
            assert not ours or re.search(OURS_ALONE, ours), (text, ours)


def test_api_server_and_parser_refuse_the_same_zones(kubectl: Kubectl) -> None:
    zones = (*ODD_ZONES, *(zone for zone in BAD_ZONES if zone.isascii()))
    theirs = refused(kubectl, [cron_job(i, "* * * * *", zone) for i, zone in enumerate(zones)])
    assert theirs == {i for i, zone in enumerate(zones) if refusal("* * * * *", zone)}


@pytest.mark.parametrize("form", ["H H H H H", "H/7 * * * *", "H(0-29)/10 H(0-7) * H(jan-mar) *"])
def test_api_server_accepts_rendered_hashes(kubectl: Kubectl, form: str) -> None:
    texts = [render(form, f"{UID}{number}") for number in range(20)]
    assert not refused(kubectl, [cron_job(i, text) for i, text in enumerate(texts)])


def test_cel_and_python_rules_refuse_the_same_expressions(kubectl: Kubectl) -> None:
    texts = [text for text in EXPRESSIONS if "\u017f" not in text]  # RE2 folds it with s
    objects = [schedule(f"c-{i}", schedule=text) for i, text in enumerate(texts)]
    expected = {i for i, text in enumerate(texts) if not is_admitted(text)}
    assert refused(kubectl, objects) == expected


def test_path_rule_accepts_unassigned_characters_and_refuses_invisible_ones(
    kubectl: Kubectl,
) -> None:
    """The Unicode version that the API server was built with must not matter."""

    def schedule_with_path(position: int, character: str) -> dict[str, Any]:
        volume = {"claimName": "data", "path": f"a{character}b"}
        return schedule(f"c-{position}", destination={"volume": volume})

    unassigned = ["\u0378", "\ufffe"]
    invisible = ["\u200b", "\ue000", "\u00ad", "\u2028", "\u3000", "\x85"]
    characters = [*unassigned, *invisible]
    objects = [schedule_with_path(i, character) for i, character in enumerate(characters)]
    assert refused(kubectl, objects) == set(range(len(unassigned), len(characters)))


def is_admitted_spec(spec: dict[str, Any]) -> bool:
    try:
        Spec.model_validate({"url": URL, "schedule": "0 0 1 1 *", **spec})
    except ValidationError:
        return False
    return True


def test_cel_and_python_rules_refuse_the_same_templates(kubectl: Kubectl) -> None:
    cases = [*ADMITTED, *((member, text) for member, text, _ in REFUSED)]
    for member, before in {"url": URL, "path": "a", "body": "", "header": ""}.items():
        cases += [(member, before + random_text(_RANDOM)) for _ in range(250)]
    specs = [spec_with(member, text) for member, text in cases]
    expected = {i for i, spec in enumerate(specs) if not is_admitted_spec(spec)}

    assert len(expected) < len(specs) - 300
    for start in range(0, len(specs), 200):
        objects = [
            schedule(f"c-{i}", **specs[i]) for i in range(start, min(start + 200, len(specs)))
        ]
        assert refused(kubectl, objects) == {i for i in expected if start <= i < start + 200}


@pytest.mark.parametrize(
    ("member", "text", "sentence"), [case for case in REFUSED if case[0] in ("url", "header")][::7]
)
def test_api_server_says_what_to_write_instead(
    kubectl: Kubectl, member: str, text: str, sentence: str
) -> None:
    with pytest.raises(RefusedError, match=re.escape(sentence)):
        kubectl.apply(schedule("c", **spec_with(member, text)))


def test_cel_and_python_rules_refuse_the_same_waits(kubectl: Kubectl) -> None:
    """Python's sentences are tested with the rules."""
    specs = [*wait_cases.ADMITTED, *(spec for spec, _ in wait_cases.REFUSED)]
    specs += wait_cases.ONLY_OF_A_TYPE
    objects = [schedule(f"c-{i}", **spec) for i, spec in enumerate(specs)]
    expected = set(range(len(wait_cases.ADMITTED), len(specs)))
    assert {i for i, spec in enumerate(specs) if not is_admitted_spec(spec)} == expected
    assert refused(kubectl, objects) == expected


def test_unknown_member_of_a_wait_is_refused(kubectl: Kubectl) -> None:
    spec = {**wait_cases.ADMITTED[0]}
    spec["waitFor"] = {**spec["waitFor"], "patience": 3}
    assert not is_admitted_spec(spec)
    with pytest.raises(RefusedError, match='unknown field "patience"'):
        kubectl.apply(schedule("c", **spec))


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [case for case in wait_cases.REFUSED if ";" in case[1] or "write" in case[1]],
)
def test_api_server_says_what_to_write_instead_of_a_wait(
    kubectl: Kubectl, spec: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(RefusedError, match=re.escape(sentence)):
        kubectl.apply(schedule("c", **spec))


def test_longest_templates_are_within_the_cost_that_the_api_server_allows(
    kubectl: Kubectl,
) -> None:
    time = "{scheduled-999mo:%Y/%m/%d}"
    headers = [{"name": f"A-{n}", "value": time * 157} for n in range(32)]
    request = {"method": "POST", "body": time * 630, "headers": headers}
    path = "/".join(["{scheduled-1d:%Y}"] * 56)
    volume = {"claimName": "data", "path": path}
    url = "https://example.com/" + time * 77
    full = schedule("c-0", url=url, request=request, destination={"volume": volume})
    assert not refused(kubectl, [full])


def is_admitted_exclusion(exclude: dict[str, Any]) -> bool:
    try:
        Spec.model_validate({"url": URL, "schedule": DAILY, "exclude": exclude})
    except ValidationError:
        return False
    return True


def test_cel_and_python_rules_refuse_the_same_days(kubectl: Kubectl) -> None:
    cases = [*ADMITTED_DAYS, *(exclude for exclude, _ in REFUSED_DAYS), *DAYS_OUT_OF_BOUNDS]
    cases += [random_dates(_RANDOM) for _ in range(150)]
    objects = [
        schedule(f"c-{i}", schedule=DAILY, exclude=exclude) for i, exclude in enumerate(cases)
    ]
    # A member that the schema does not know is refused before anything has a name.
    unknown = [i for i, exclude in enumerate(cases) if not is_known(exclude)]
    expected = {i for i, exclude in enumerate(cases) if not is_admitted_exclusion(exclude)}
    assert set(unknown) < expected
    known = [item for i, item in enumerate(objects) if i not in unknown]
    assert refused(kubectl, known) == expected - set(unknown)
    assert len(cases) - len(expected) > 30


def is_known(exclude: dict[str, Any]) -> bool:
    return exclude.keys() <= {"dates", "weekdays", "monthDays", "calendarRef"} and (
        exclude.get("calendarRef", {}).keys() <= {"name"}
    )


@pytest.mark.parametrize(("exclude", "sentence"), REFUSED_DAYS[::4] + REFUSED_DAYS[-5:])
def test_api_server_says_which_days_to_write(
    kubectl: Kubectl, exclude: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(RefusedError, match=re.escape(sentence)):
        kubectl.apply(schedule("c", exclude=exclude))
