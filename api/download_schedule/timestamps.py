"""Times as Kubernetes and the resource write them (RFC 3339)."""

from datetime import UTC, datetime


def parse_time(text: str) -> datetime | None:
    """Return the time in UTC, or None if *text* is not a time with an offset.

    No error is raised, because people, too, write annotations and status members.
    """
    try:
        time = datetime.fromisoformat(text)
        return time.astimezone(UTC) if time.tzinfo else None
    except (ValueError, OverflowError):
        return None


def format_time(time: datetime) -> str:
    """Return *time*, which must be in UTC, in whole seconds. The texts sort as their times do."""
    return time.isoformat("T", "seconds")[:19] + "Z"
