"""Time zones by name, from the pinned ``tzdata`` package alone.

The system's own tables are left aside: they differ from machine to machine, and hold names
(``posix/…``, ``right/…``, differently cased ones on some file systems) that Go's tables lack. The
package's list of names is the list that Go embeds, and like Go's it is case-exact.
"""

from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo

from download_schedule.cron.errors import CronError


@cache
def names() -> frozenset[str]:
    """Return every name that can be loaded."""
    return frozenset((files("tzdata") / "zones").read_text(encoding="utf-8").split())


@cache
def _by_folded_name() -> dict[str, str]:
    return {name.casefold(): name for name in names()}


def load(name: str) -> ZoneInfo:
    """Return the zone called *name*.

    Raises:
        CronError: the API server would refuse *name*; the sentence offers the nearest spelling.
    """
    if name not in names():
        raise CronError(_refusal(name))
    return _load(name)


@cache
def _load(name: str) -> ZoneInfo:
    with (files("tzdata") / "zoneinfo").joinpath(*name.split("/")).open("rb") as stream:
        return ZoneInfo.from_file(stream, key=name)


def _refusal(name: str) -> str:
    if not name:
        return "timeZone: it is empty; write an IANA name such as Europe/Paris, or leave it out"
    if name.casefold() == "local":
        return f"timeZone: {name!r} says nothing in a cluster; write an IANA name, such as Etc/UTC"
    known = _by_folded_name().get(name.strip().replace(" ", "_").casefold())
    instead = known or "an IANA name such as Europe/Paris"
    return f"timeZone: {name[:64]!r} is not a known zone; write {instead}"
