"""``python -m download_schedule.cron``: when a schedule fires, as Kubernetes reads it."""

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from download_schedule.cron.errors import CronError
from download_schedule.cron.schedule import parse

_START: Final = datetime(10, 1, 1, tzinfo=UTC)
_END: Final = datetime(9989, 12, 31, tzinfo=UTC)
_MOST: Final = 100_000


class _QuestionError(ValueError):
    """What was asked makes no sense, whatever the expression; the text says what to write."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Answer one expression, or with ``--batch`` one on each line of standard input.

    Returns:
        The exit code: 0, or 2 where the expression, zone, start or count is refused.
    """
    options = _options().parse_args(arguments)
    if options.batch:
        answer_lines(sys.stdin.buffer)
        return 0
    try:
        times = answer(options.expression, options.time_zone, options.after, options.count)
    except (CronError, _QuestionError) as error:
        print(error, file=sys.stderr)
        return 2
    print(*times, sep="\n", end="\n" if times else "")
    return 0


def answer_lines(lines: Iterable[bytes]) -> None:
    """Write one JSON line for each of *lines*, which are JSON objects.

    In: ``{"expr": "0 2 * * *", "timeZone": "Etc/UTC", "after": "2026-01-01T00:00:00Z",
    "count": 5}``, all but the first optional. Out: ``{"ok": true, "times": [...]}`` or
    ``{"ok": false, "error": "..."}``.
    """
    for line in lines:
        try:
            reply = {"ok": True, "times": answer(*_question(line))}
        except (CronError, _QuestionError) as error:
            reply = {"ok": False, "error": str(error)}
        print(json.dumps(reply), flush=True)


def answer(expression: str, time_zone: str, after: str | None, count: int) -> list[str]:
    """Return at most *count* ticks after the RFC 3339 moment *after* (now), in RFC 3339, UTC."""
    if not 1 <= count <= _MOST:
        raise _QuestionError(f"count: {count} is outside the bounds; write 1 to {_MOST}")
    schedule = parse(expression, time_zone)
    at = _moment(after)
    ticks: list[str] = []
    while len(ticks) < count and (tick := schedule.next(at)) and tick <= _END:
        ticks.append(tick.isoformat().replace("+00:00", "Z"))
        at = tick
    return ticks


def _moment(text: str | None) -> datetime:
    if text is None:
        return datetime.now(UTC)
    try:
        moment = datetime.fromisoformat(text.upper())
        if moment.tzinfo is not None and moment >= _START and moment.year < _END.year:
            return moment
    except ValueError:
        pass
    raise _QuestionError(
        f"after: {text[:64]!r} is not a moment; write RFC 3339, such as 2026-01-31T12:00:00Z"
    )


def _question(line: bytes) -> tuple[str, str, str | None, int]:
    try:
        given: Any = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _QuestionError(f"the line is not JSON ({error}); write one object a line") from error
    match given:
        case {"expr": str(expression)}:
            pass
        case _:
            raise _QuestionError('the line has no text "expr"; write {"expr": "0 2 * * *"}')
    match given.get("timeZone", "Etc/UTC"), given.get("after"), given.get("count", 5):
        case str(zone), str() | None as after, int(count):
            return expression, zone, after, count
    raise _QuestionError("timeZone and after must be texts, count a whole number")


def _options() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(
        prog="python -m download_schedule.cron",
        description="Print when a schedule fires as Kubernetes reads it, one RFC 3339 time a line.",
        epilog="Exit code 2 and one sentence: the expression is refused.",
    )
    asked = options.add_mutually_exclusive_group(required=True)
    asked.add_argument("expression", nargs="?", metavar="EXPR", help="such as '0 2 * * *'")
    asked.add_argument(
        "--batch",
        action="store_true",
        help='answer JSON lines {"expr", "timeZone", "after", "count"} from standard input',
    )
    options.add_argument("--time-zone", default="Etc/UTC", metavar="Z", help="IANA name")
    options.add_argument("--after", metavar="RFC3339", help="the start, itself left out; now")
    options.add_argument("--count", type=int, default=5, metavar="N", help="how many times; 5")
    return options


if __name__ == "__main__":
    sys.exit(main())
