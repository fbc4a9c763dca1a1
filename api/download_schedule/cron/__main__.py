"""``python -m download_schedule.cron``: print when an expression fires in Kubernetes."""

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from download_schedule.cron.croniter_comparison import croniter_warning
from download_schedule.cron.errors import CronError
from download_schedule.cron.parser import parse

_EARLIEST: Final = datetime(10, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(9989, 12, 31, tzinfo=UTC)
_MAX_COUNT: Final = 100_000


class _RequestError(ValueError):
    """A start, count or JSON line that cannot be used; the text says what to write instead."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the ticks of one expression, or with ``--batch`` those of each line of stdin.

    Where croniter is installed, standard error says how its reading of the one expression differs.

    Returns:
        The exit code: 0, or 2 if the expression, zone, start or count is refused.
    """
    options = _parser().parse_args(arguments)
    if options.batch:
        answer_lines(sys.stdin.buffer)
        return 0
    exit_code = _print_ticks(options)
    _print_croniter_warning(options)
    return exit_code


def answer_lines(lines: Iterable[bytes]) -> None:
    """Print one JSON line for each of *lines*, which are JSON objects.

    In: ``{"expr": "0 2 * * *", "timeZone": "Etc/UTC", "after": "2026-01-01T00:00:00Z",
    "count": 5}``, all but the first optional. Out: ``{"ok": true, "times": [...]}`` or
    ``{"ok": false, "error": "..."}``.
    """
    for line in lines:
        try:
            response = {"ok": True, "times": list_ticks(*_parse_line(line))}
        except (CronError, _RequestError) as error:
            response = {"ok": False, "error": str(error)}
        print(json.dumps(response), flush=True)


def list_ticks(expression: str, time_zone: str, after: str | None, count: int) -> list[str]:
    """Return at most *count* ticks after the RFC 3339 time *after* (now), in RFC 3339, UTC.

    Raises:
        CronError: the expression or zone is refused.
        _RequestError: the count or start is refused.
    """
    if not 1 <= count <= _MAX_COUNT:
        raise _RequestError(f"count: {count} is outside the bounds; write 1 to {_MAX_COUNT}")
    schedule = parse(expression, time_zone)
    moment = _parse_start(after)
    ticks: list[str] = []
    while len(ticks) < count and (tick := schedule.next_as_kubernetes(moment)) and tick <= _LATEST:
        ticks.append(tick.isoformat().replace("+00:00", "Z"))
        moment = tick
    return ticks


def _print_ticks(options: argparse.Namespace) -> int:
    try:
        ticks = list_ticks(options.expression, options.time_zone, options.after, options.count)
    except (CronError, _RequestError) as error:
        print(error, file=sys.stderr)
        return 2
    print(*ticks, sep="\n", end="\n" if ticks else "", flush=True)
    return 0


def _print_croniter_warning(options: argparse.Namespace) -> None:
    try:
        start = _parse_start(options.after)
    except _RequestError:
        return
    if warning := croniter_warning(options.expression, options.time_zone, start):
        print(f"warning: {warning}", file=sys.stderr)


def _parse_start(text: str | None) -> datetime:
    if text is None:
        return datetime.now(UTC)
    try:
        start = datetime.fromisoformat(text.upper())
        if start.tzinfo is not None and start >= _EARLIEST and start.year < _LATEST.year:
            return start
    except ValueError:
        pass
    raise _RequestError(
        f"after: {text[:64]!r} is not a time; write RFC 3339, such as 2026-01-31T12:00:00Z"
    )


def _parse_line(line: bytes) -> tuple[str, str, str | None, int]:
    try:
        request: Any = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _RequestError(f"the line is not JSON ({error}); write one object a line") from error
    match request:
        case {"expr": str(expression)}:
            pass
        case _:
            raise _RequestError('the line has no text "expr"; write {"expr": "0 2 * * *"}')
    match request.get("timeZone", "Etc/UTC"), request.get("after"), request.get("count", 5):
        case str(zone), str() | None as after, int(count):
            return expression, zone, after, count
    raise _RequestError("timeZone and after must be texts, count a whole number")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m download_schedule.cron",
        description="Print when Kubernetes fires a cron expression, one RFC 3339 time a line.",
        epilog="If the expression is refused, one sentence says why, and the exit code is 2.",
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("expression", nargs="?", metavar="EXPR", help="such as '0 2 * * *'")
    source.add_argument(
        "--batch",
        action="store_true",
        help='read JSON lines {"expr", "timeZone", "after", "count"} from standard input',
    )
    parser.add_argument(
        "--time-zone", default="Etc/UTC", metavar="Z", help="IANA name (default: Etc/UTC)"
    )
    parser.add_argument(
        "--after", metavar="RFC3339", help="print ticks after this time (default: now)"
    )
    parser.add_argument(
        "--count", type=int, default=5, metavar="N", help="how many ticks to print (default: 5)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
