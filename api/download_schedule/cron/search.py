"""The next tick: a literal port of ``SpecSchedule.Next`` and what it uses of Go's time package.

Source: github.com/robfig/cron v3.0.1, spec.go. Each loop of the original is one function here,
true where the original says ``goto WRAP``. Its behaviour on days when clocks change follows from
the exact order of its steps (it can leave out a day that has no midnight, or lead back into an
hour that is about to repeat), so none of them may be tidied up; tests/differential holds the two
against each other. The one departure: the original searches for ever at a day that a zone left
out altogether (Pacific/Apia, 30 December 2011), this one goes on to the day after.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from download_schedule.cron.fields import STAR

YEARS: Final = 5
"""The search ends with the year that is this many after the start's."""

_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class Bits:
    """The values of each field as bits; of the days also :data:`~.fields.STAR`."""

    minute: int
    hour: int
    day_of_month: int
    month: int
    day_of_week: int


class _Time:
    """Go's ``time.Time`` in one zone, and robfig's flag ``added``."""

    def __init__(self, seconds: int, zone: ZoneInfo) -> None:
        self.zone = zone
        self.added = False
        self._set(seconds)

    def _set(self, seconds: int) -> None:
        self.seconds = seconds
        self.local = datetime.fromtimestamp(seconds, self.zone)

    def add(self, seconds: int) -> None:
        self._set(self.seconds + seconds)

    def truncate(self, seconds: int) -> None:
        """Go's ``Truncate``: of absolute time, whatever the zone's offset."""
        self._set(self.seconds - self.seconds % seconds)

    def set_date(self, month: int, day: int, hour: int, minute: int = 0, second: int = 0) -> None:
        """Go's ``time.Date`` of this year: overflowing parts carry, clock changes as Go resolves.

        Where a wall clock reading is skipped or repeated, Go takes the offset in force at the
        instant that the reading would be if the offset of "the reading as UTC" held.
        """
        year = self.local.year + (month - 1) // 12
        days = date(year, (month - 1) % 12 + 1, 1).toordinal() + day - 1 - _EPOCH_DAY
        reading = days * 86400 + hour * 3600 + minute * 60 + second
        self._set(reading - self._offset(reading - self._offset(reading)))

    def add_date(self, *, months: int = 0, days: int = 0) -> None:
        """Go's ``AddDate``."""
        t = self.local
        self.set_date(t.month + months, t.day + days, t.hour, t.minute, t.second)

    def _offset(self, seconds: int) -> int:
        reading = datetime.fromtimestamp(seconds, self.zone).replace(tzinfo=UTC)
        return int(reading.timestamp()) - seconds


def next_tick(bits: Bits, zone: ZoneInfo, seconds: int) -> int | None:
    """Return the tick that follows *seconds*, both as whole seconds since 1970 in UTC.

    It may lie before *seconds* in an hour that is repeated when clocks are set back, namely where
    the offset is not of whole hours or the shift is not of one hour (Pacific/Chatham). None
    where there is none up to the end of the year :data:`YEARS` after that of *seconds*.
    """
    t = _Time(seconds + 1, zone)
    limit = t.local.year + YEARS
    while t.local.year <= limit:
        if not any(wraps(t, bits) for wraps in _STEPS):
            return t.seconds
    return None


def _month(t: _Time, bits: Bits) -> bool:
    while not bits.month >> t.local.month & 1:
        if not t.added:
            t.added = True
            t.set_date(t.local.month, 1, 0)
        t.add_date(months=1)
        if t.local.month == 1:
            return True
    return False


def _day(t: _Time, bits: Bits) -> bool:
    while not _day_matches(t.local, bits):
        if not t.added:
            t.added = True
            t.set_date(t.local.month, t.local.day, 0)
        midnight = t.seconds
        t.add_date(days=1)
        if t.seconds == midnight:  # a whole day is skipped, and the original never returns
            t.add(86_400)
        hour = t.local.hour
        if hour:  # midnight does not exist on this day
            t.add((24 - hour if hour > 12 else -hour) * 3600)
        if t.local.day == 1:
            return True
    return False


def _day_matches(local: datetime, bits: Bits) -> bool:
    of_month = bits.day_of_month >> local.day & 1
    of_week = bits.day_of_week >> local.isoweekday() % 7 & 1
    if (bits.day_of_month | bits.day_of_week) & STAR:
        return bool(of_month and of_week)
    return bool(of_month or of_week)


def _hour(t: _Time, bits: Bits) -> bool:
    while not bits.hour >> t.local.hour & 1:
        if not t.added:
            t.added = True
            t.set_date(t.local.month, t.local.day, t.local.hour)
        t.add(3600)
        if t.local.hour == 0:
            return True
    return False


def _minute(t: _Time, bits: Bits) -> bool:
    while not bits.minute >> t.local.minute & 1:
        if not t.added:
            t.added = True
            t.truncate(60)
        t.add(60)
        if t.local.minute == 0:
            return True
    return False


def _second(t: _Time, _: Bits) -> bool:
    while t.local.second != 0:
        t.added = True  # the original truncates to the second here; whole seconds are all we have
        t.add(1)
        if t.local.second == 0:
            return True
    return False


_STEPS: Final[tuple[Callable[[_Time, Bits], bool], ...]] = (_month, _day, _hour, _minute, _second)
