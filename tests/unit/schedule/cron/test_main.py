"""``python -m download_schedule.cron`` as people and scripts run it."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from tests.support import forked


def run(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[str]:
    command = ("-m", "download_schedule.cron", *arguments)
    return forked.run(("download_schedule.cron",), command, env=os.environ, stdin=stdin)


def test_each_tick_is_printed_on_a_line_of_its_own() -> None:
    done = run("30 2 * * *", "--time-zone", "Europe/Paris", "--after", "2026-03-28T00:00:00Z",
               "--count", "3")  # fmt: skip
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        "2026-03-28T01:30:00Z",
        "2026-03-30T00:30:00Z",
        "2026-03-31T00:30:00Z",
    ]


def test_default_is_the_next_five_ticks_in_utc() -> None:
    before = datetime.now(UTC)
    lines = run("* * * * *").stdout.splitlines()
    times = [datetime.fromisoformat(line) for line in lines]
    assert len(times) == 5
    assert before < times[0] < before + timedelta(minutes=2)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["* * * * MONDAY"], "day of week: 'MONDAY' is not allowed: write the first three letters"),
        (["0 0 31 2 *"], "'0 0 31 2 *' names no day that exists, so it would never fire; write"),
        (["* * * * *", "--time-zone=Mars"], "timeZone: 'Mars' is not a known zone; write an IANA"),
        (["* * * * *", "--after=soon"], "after: 'soon' is not a time; write RFC 3339, such as"),
        (["* * * * *", "--after=2026-01-01T00:00:00"], "after: '2026-01-01T00:00:00' is not a"),
        (["* * * * *", "--after=0001-01-01T00:00:00Z"], "after: '0001-01-01T00:00:00Z' is not a"),
        (["* * * * *", "--after=0010-01-01T00:00:00+01:00"], "after: '0010-01-01T00:00:00+01:00'"),
        (["* * * * *", "--count=0"], "count: 0 is outside the bounds; write 1 to 100000"),
    ],
)
def test_refusal_is_one_sentence_and_exit_code_2(arguments: list[str], sentence: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(sentence)
    assert done.stderr.count("\n") == 1


def test_nothing_is_printed_if_no_tick_follows() -> None:
    done = run("0 0 29 2 *", "--after", "2096-03-01T00:00:00+01:00")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_warning_about_croniter_is_printed_on_stderr_of_an_accepted_expression() -> None:
    done = run("0 0 */1 * 5", "--after", "2026-01-01T00:00:00Z", "--count", "1")
    assert done.returncode == 0
    assert done.stdout == "2026-01-02T00:00:00Z\n"
    assert done.stderr == (
        "warning: croniter reads '0 0 */1 * 5' differently: croniter fires at "
        "2026-01-03T00:00:00Z, Kubernetes does not; write '0 0 1-31 * 5' for croniter's times\n"
    )


def test_warning_about_croniter_follows_the_refusal_of_an_expression() -> None:
    done = run("0 0 * * 7")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "day of week: '7' counts Sunday as 7; write 0 or sun for Sunday, here '0'",
        "warning: croniter accepts '0 0 * * 7'; write '0 0 * * 0' for croniter's times",
    ]


def test_no_warning_is_printed_without_croniter() -> None:
    code = (
        "import sys; sys.modules['croniter'] = None; from download_schedule.cron.__main__ import *;"
    )
    code += "sys.exit(main(['0 0 * * 7']))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1


def test_batch_answers_every_line_whatever_it_contains() -> None:
    good = {"expr": "0 2 * * *", "timeZone": "Asia/Tokyo", "after": "2026-01-01T00:00:00z",
            "count": 1}  # fmt: skip
    lines = [
        json.dumps(good).encode(),
        b'{"expr": "@hourly"}',
        b'{"expr": "0 0 * * 7"}',
        b'{"expr": 5}',
        b"[]",
        b"not JSON",
        b'"\xff"',
        b"[" * 100_000,
        b'{"expr": "* * * * *", "count": "5"}',
        b'{"expr": "* * * * *", "count": 0}',
        b'{"expr": "\\ud800 * * * *"}',
        b'{"expr": "* * * * *", "after": "0010-01-01T00:00:00+01:00"}',
    ]
    done = run("--batch", stdin=b"\n".join(lines) + b"\n")
    assert done.returncode == 0
    assert done.stderr == ""
    first, second, *refused = map(json.loads, done.stdout.splitlines())
    assert first == {"ok": True, "times": ["2026-01-01T17:00:00Z"]}
    assert len(second["times"]) == 5
    assert len(refused) == len(lines) - 2
    for response in refused:
        assert response.keys() == {"ok", "error"}
        assert response["ok"] is False


def test_wrong_arguments_print_the_usage() -> None:
    assert run().returncode == 2
    assert run("* * * * *", "--batch").returncode == 2
    assert "--time-zone" in run("--help").stdout
