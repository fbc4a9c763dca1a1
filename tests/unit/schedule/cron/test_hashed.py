"""``H``: stable, evenly spread, and always replaced by what Kubernetes accepts."""

import random
import re
import uuid
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from download_schedule.cron import CronError, parse, render

UID = "7c3f0b5e-8a4e-4b34-9b1c-0a3a8f9f6d10"
_RANDOM = random.Random(11)
UIDS = [str(uuid.UUID(int=_RANDOM.getrandbits(128), version=4)) for _ in range(10_000)]
FIELDS = {"minute": (0, 0, 59), "hour": (1, 0, 23), "day": (2, 1, 28), "month": (3, 1, 12),
          "week": (4, 0, 6)}  # fmt: skip


def in_field(position: int, text: str) -> str:
    return " ".join(text if index == position else "*" for index in range(5))


def test_value_depends_only_on_uid_and_field() -> None:
    assert render("H H H H H", UID) == render("H  H\tH H H ", UID) == "1 16 14 2 1"
    assert render("H 3 * * *", UID).split()[0] == render("H H H H H", UID).split()[0]


@pytest.mark.parametrize("name", FIELDS)
def test_values_of_10_000_uids_are_spread_evenly(name: str) -> None:
    position, low, high = FIELDS[name]
    counts = Counter(int(render(in_field(position, "H"), uid).split()[position]) for uid in UIDS)
    assert sorted(counts) == list(range(low, high + 1))
    expected = len(UIDS) / (high - low + 1)
    chi_squared = sum((count - expected) ** 2 / expected for count in counts.values())
    degrees = high - low
    assert chi_squared < degrees + 4 * (2 * degrees) ** 0.5  # four standard deviations


def test_values_of_different_fields_are_independent() -> None:
    pairs = Counter(tuple(render("H(0-4) H(0-4) * * *", uid).split()[:2]) for uid in UIDS)
    assert len(pairs) == 25
    assert min(pairs.values()) > 300  # of 400 expected


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("H * * * *", r"[1-5]?\d \* \* \* \*"),
        ("H(10-12) * * * *", r"1[0-2] \* \* \* \*"),
        ("H/15 * * * *", r"(\d|1[0-4])-59/15 \* \* \* \*"),
        ("H(30-59)/10 * * * *", r"3\d-59/10 \* \* \* \*"),
        ("H/60 * * * *", r"[1-5]?\d-59/60 \* \* \* \*"),
        ("0 0 * H(feb-MAR) *", r"0 0 \* [23] \*"),
        ("0 0 * * H(mon-fri)", r"0 0 \* \* [1-5]"),
        ("0,H 0 * * *", r"0,[1-5]?\d 0 \* \* \*"),
        ("0 0 H/10 * *", r"0 0 ([1-9]|10)-28/10 \* \*"),
        ("0 0 H(1-31) * *", r"0 0 ([12]?\d|3[01]) \* \*"),
        ("* * * * THU", r"\* \* \* \* THU"),
        ("@daily", "@daily"),
    ],
)
def test_form_is_replaced_by_values(text: str, pattern: str) -> None:
    for uid in UIDS[:200]:
        rendered = render(text, uid)
        assert re.fullmatch(pattern, rendered)
        assert parse(text, uid=uid).expression == rendered
        assert parse(rendered)


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("H(0-60) * * * *", "minute: 'H(0-60)' is outside the bounds; write 0-59"),
        ("H(9-1) * * * *", "runs backwards"),
        ("H() * * * *", "minute: 'H()' is malformed; write H, H(low-high), H/step"),
        ("H(1) * * * *", "is malformed"),
        ("H(a-b) * * * *", "write H, H(low-high), H/step or H(low-high)/step"),
        ("H/0 * * * *", "the step of 'H/0' is 0; write a step of 1-60"),
        ("H/61 * * * *", "write a step of 1-60"),
        ("H(1-5)/6 * * * *", "write a step of 1-5"),
        ("H/x * * * *", "write H, H(low-high), H/step or"),
        ("H H H H", "has 4 fields"),
    ],
)
def test_malformed_hash_is_refused(text: str, advice: str) -> None:
    with pytest.raises(CronError) as refused:
        parse(text, uid=UID)
    assert advice in str(refused.value)


@given(st.text(max_size=80))
def test_rendered_expression_is_accepted_for_any_uid(uid: str) -> None:
    schedule = parse("H H(0-7) H * H/2", uid=uid)
    assert schedule == parse(render("H H(0-7) H * H/2", uid))
