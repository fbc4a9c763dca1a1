"""Time zones. Only an attempt whose task has one loads this module."""

from datetime import UTC, tzinfo
from pathlib import Path


def load_zone(name: str) -> tzinfo:
    """Return a time zone from the tables with which the operator computes ticks.

    An image may have others, or none.

    Raises:
        ValueError: the time zone is unknown.
    """
    if name == "Etc/UTC":
        return UTC
    from zoneinfo import ZoneInfo

    import tzdata

    try:
        path = Path(tzdata.__file__).parent.joinpath("zoneinfo", *name.split("/"))
        with path.open("rb") as stream:
            return ZoneInfo.from_file(stream, key=name)
    except (OSError, ValueError):
        raise ValueError(f"time zone {name[:64]!r} is unknown") from None
