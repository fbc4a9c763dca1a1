"""Templates: texts with placeholders that each run replaces, such as ``{scheduled-1d:%Y-%m-%d}``.

A placeholder for a time is a name, perhaps an offset, and perhaps a format. A time without a format
is in UTC, and one with a format is in the schedule's zone. ``{{`` and ``}}`` stand for braces.

In a request's body and headers, braces are ordinary, as JSON and GraphQL have many. Only what
begins like a placeholder for a time is one there, and ``{{scheduled}}`` stands for ``{scheduled}``.

:mod:`download_schedule.template_rules` refuses what is not in this language. Standard library only:
the worker imports this once per run that needs it.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final, NamedTuple
from urllib.parse import quote

TIMES: Final = ("scheduled", "previous")
"""Placeholders for a time: the run's tick, and the tick before it."""
UNITS: Final = ("min", "h", "d", "w", "mo", "y")
"""Units of an offset."""
DIRECTIVES: Final = "YymdHMSjGVuBbAaIpsz%"
"""What may follow the ``%`` of a format. None depends on a language, and no text is empty."""
UNPADDED: Final = "dmHMSjI"
"""What may follow ``%-``, for a number without zeros in front."""

STAMP: Final = "%Y%m%dT%H%M%SZ"
"""A time without a format, in UTC: ``20261123T020000Z``."""

_NAME: Final = f"({'|'.join(TIMES)})"
_DIRECTIVE: Final = rf"%(-[{UNPADDED}]|[{DIRECTIVES}])"
_TIME: Final = (
    rf"\{{(?P<time>{'|'.join(TIMES)})((?P<number>[+-][0-9]{{1,3}})(?P<unit>{'|'.join(UNITS)}))?"
    rf"(:(?P<format>[^{{}}%]*({_DIRECTIVE}[^{{}}%]*)+))?\}}"
)
_LOOKALIKE: Final = rf"\{{{_NAME} *[-+:}}]"
"""What begins like a placeholder for a time. A field of GraphQL, ``{scheduledJobs``, does not."""
# Every alternative begins with another text, and no repetition contains one that can match the
# same text, so that a search takes time in proportion to the length.
# Not compiled here: that takes milliseconds, and most runs need one of them.
_IN_PATH: Final = rf"(?P<brace>\{{\{{|\}}\}})|{_TIME}|\{{(?P<text>[a-z]+)\}}|(?P<wrong>[{{}}])"
_IN_TEXT: Final = (
    rf"\{{(?P<literal>\{{{_NAME}( *[-+:][^{{}}]*)?\}})\}}|(?P<braces>\{{{{2,}})|{_TIME}"
    rf"|(?P<wrong>{_LOOKALIKE})"
)


class Times(NamedTuple):
    """The times of a run."""

    scheduled: datetime
    """The run's tick."""
    previous: Callable[[], datetime]
    """Returns the tick before. A function, because few templates ask for it."""
    zone: tzinfo
    """The schedule's time zone."""


def render(
    template: str,
    times: Times,
    texts: Mapping[str, str],
    encode: Callable[[str], str] = lambda value: value,
) -> str:
    """Return the path, key or URL that *template* means.

    Args:
        template: as the schedule has it.
        times: of the run.
        texts: what the other placeholders stand for, by name.
        encode: applied to each time, and not to the rest.

    Raises:
        ValueError: the template is not in this language, or no tick was before.
    """

    def replace(match: re.Match[str]) -> str:
        if match["brace"]:
            return match[0][0]
        if match["time"]:
            return encode(_time(match, times))
        if match["wrong"] or match["text"] not in texts:
            raise ValueError(f"{template[:200]!r} has an unknown placeholder or a single brace")
        return texts[match["text"]]

    return re.sub(_IN_PATH, replace, template)


def render_text(template: str, times: Times) -> str:
    """Return the request's body, or the value of a header, that *template* means.

    Raises:
        ValueError: the template is not in this language, or no tick was before.
    """

    def replace(match: re.Match[str]) -> str:
        if match["wrong"]:
            raise ValueError(f"{match[0]!r} begins a placeholder that is malformed")
        return match["literal"] or match["braces"] or _time(match, times)

    return re.sub(_IN_TEXT, replace, template)


def has_time_in_text(template: str) -> bool:
    """Return whether rendering changes this body or value of a header."""
    return any(not match["braces"] for match in re.finditer(_IN_TEXT, template))


def names_previous(template: str) -> bool:
    """Return whether *template* may ask for the tick before."""
    return bool(re.search(r"\{previous[-+:}]", template))


def names_one_tick(path: str) -> bool:
    """Return whether *path* has ``{scheduled}``, which no two ticks share.

    With a format or an offset, they may: every run of a day has the same ``{scheduled:%Y-%m-%d}``.
    """
    return any(match[0] == "{scheduled}" for match in re.finditer(_IN_PATH, path))


def encode_for_url(value: str) -> str:
    """Percent-encode *value* for a path or a query, as in ``{scheduled:%Y/%m/%d}``."""
    return quote(value, safe="/:")


def _time(match: re.Match[str], times: Times) -> str:
    moment = times.scheduled if match["time"] == "scheduled" else times.previous()
    if match["unit"]:
        moment = _shift(moment.astimezone(times.zone), int(match["number"]), match["unit"])
    if not match["format"]:
        return moment.astimezone(UTC).strftime(STAMP)
    local = moment.astimezone(times.zone)
    return re.sub(_DIRECTIVE, lambda directive: _format(local, directive[1]), match["format"])


def _shift(local: datetime, number: int, unit: str) -> datetime:
    """Move a local time. Days and longer units keep the time of day, as a calendar does.

    A day that the new month lacks becomes its last. A time of day that the clock skips becomes as
    much later as the clock is put forward; of one that comes twice, the first is taken.
    """
    if not number:
        return local
    match unit:
        case "min":
            return local.astimezone(UTC) + timedelta(minutes=number)
        case "h":
            return local.astimezone(UTC) + timedelta(hours=number)
        case "d":
            moved = local + timedelta(days=number)
        case "w":
            moved = local + timedelta(weeks=number)
        case _:
            moved = _add_months(local, number * (12 if unit == "y" else 1))
    return moved.replace(fold=0).astimezone(UTC)


def _add_months(local: datetime, months: int) -> datetime:
    # The calendar module would do, but takes three milliseconds to load.
    years, month = divmod(local.month - 1 + months, 12)
    first = local.replace(year=local.year + years, month=month + 1, day=1)
    last_day = ((first + timedelta(days=31)).replace(day=1) - timedelta(days=1)).day
    return first.replace(day=min(local.day, last_day))


def _format(local: datetime, directive: str) -> str:
    letter = directive[-1]
    match letter:
        case "%":
            return "%"
        case "s":
            return str(int(local.timestamp()))
    text = local.strftime(f"%{letter}")
    return text.lstrip("0") or "0" if directive[0] == "-" else text
