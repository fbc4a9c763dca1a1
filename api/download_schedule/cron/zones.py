"""Time zones by name, from the pinned ``tzdata`` package only.

The system's own tables are not used. They differ from machine to machine, and contain names that
Go's tables lack (``posix/…``, ``right/…``, other capitals on some file systems). The package lists
the same names that Go embeds, and like Go it distinguishes upper and lower case.
"""

from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo

from download_schedule.cron.errors import CronError


@cache
def names() -> frozenset[str]:
    """Return the names of all zones."""
    return frozenset((files("tzdata") / "zones").read_text(encoding="utf-8").split())


@cache
def _names_by_folded_name() -> dict[str, str]:
    return {name.casefold(): name for name in names()}


def load(name: str) -> ZoneInfo:
    """Return the zone called *name*.

    Raises:
        CronError: the API server would refuse *name*; the sentence offers the nearest spelling.
    """
    if name not in names():
        raise CronError(_explain_unknown(name))
    return _load(name)


@cache
def _load(name: str) -> ZoneInfo:
    with (files("tzdata") / "zoneinfo").joinpath(*name.split("/")).open("rb") as stream:
        return ZoneInfo.from_file(stream, key=name)


def _explain_unknown(name: str) -> str:
    if not name:
        return "timeZone: it is empty; write an IANA name such as Europe/Paris, or leave it out"
    if name.casefold() == "local":
        return (
            f"timeZone: {name!r} depends on the machine; write an IANA name such as Europe/Paris "
            "or Etc/UTC"
        )
    folded = name.strip().replace(" ", "_").casefold()
    instead = _names_by_folded_name().get(folded, "an IANA name such as Europe/Paris")
    return f"timeZone: {name[:64]!r} is not a known zone; write {instead}"
