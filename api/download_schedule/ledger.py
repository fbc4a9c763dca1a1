"""The ledger of ticks: what became of each of the latest ticks, one letter for each.

Pure functions over the plain JSON of ``status.ticks``, which
:class:`download_schedule.model.TickLedger` describes. The letters stand for ticks in a row, newest
first, so that the expression and the time of the newest one say which tick each letter is about.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from itertools import islice
from types import MappingProxyType
from typing import Any, Final, Self

from download_schedule.cron import CronSchedule
from download_schedule.timestamps import format_time, parse_time
from download_schedule.types import JSONObject

MAX_TICKS: Final = 1000
"""Letters in a ledger; older ones fall off its end."""

_SECOND: Final = timedelta(seconds=1)
_EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""No Job's name could say an earlier tick."""
_FEW: Final = 8
"""Ticks that are looked up one by one, and not in a table of all."""
_NEAR: Final = 64
"""Ticks computed at a time."""
_FIRST_STRETCH: Final = timedelta(minutes=_NEAR)


class Outcome(StrEnum):
    """What became of a tick."""

    COMPLETED = "C"
    """Its latest run completed."""
    FAILED = "F"
    """Its latest run failed."""
    MISSED = "M"
    """It started no run in time, and counts as missed."""
    RUNNING = "R"
    """Its latest run is pending or running."""
    SUSPENDED = "S"
    """It passed while the schedule was suspended."""
    SKIPPED = "X"
    """Its day is left out (``spec.exclude``): its run ended at once, or none started."""
    UNKNOWN = "U"
    """Not judged: the operator was down for too long, or the schedule was edited just then."""

    @classmethod
    def of_state(cls, state: str) -> Self:
        """Return the outcome of a tick whose latest run is in *state*, as the history says it."""
        return cls(_BY_STATE.get(state, cls.UNKNOWN))


_BY_STATE: Final[Mapping[str, Outcome]] = {
    "Pending": Outcome.RUNNING,
    "Running": Outcome.RUNNING,
    "Completed": Outcome.COMPLETED,
    "Failed": Outcome.FAILED,
    "Skipped": Outcome.SKIPPED,
}
LETTERS: Final = "".join(Outcome)


@dataclass(frozen=True, slots=True)
class Ledger:
    """The outcomes of the latest ticks of one expression in one time zone.

    Every moment passed in is aware, from the year 10 to 9989. Ticks are aware datetimes in UTC.
    """

    cron: CronSchedule
    """As the CronJob has it, that is, with a value for every ``H``."""
    latest: datetime | None = None
    """The tick of the first letter; None if there are no letters."""
    outcomes: str = ""
    """A letter of :class:`Outcome` for each tick, newest first."""

    @classmethod
    def read(cls, status: Mapping[str, Any], cron: CronSchedule) -> Self:
        """Return the ledger in the status of a schedule.

        The ledger is empty if the stored one belongs to another expression or time zone, if the
        expression does not fire at its newest tick, or if somebody made it unreadable.
        """
        members = status.get("ticks") or {}
        is_same = (cron.expression, cron.time_zone) == (
            members.get("schedule"),
            members.get("timeZone"),
        )
        latest = parse_time(members.get("latest", "")) if is_same else None
        outcomes = members.get("outcomes", "")[:MAX_TICKS]
        if latest is None or not outcomes or not is_tick(cron, latest):
            return cls(cron)
        readable = (letter if letter in LETTERS else Outcome.UNKNOWN for letter in outcomes)
        return cls(cron, latest, "".join(readable))

    def to_status(self) -> JSONObject | None:
        """Return the ledger as ``status.ticks``; None if it is empty."""
        if self.latest is None:
            return None
        return {
            "latest": format_time(self.latest),
            "outcomes": self.outcomes,
            "schedule": self.cron.expression,
            "timeZone": self.cron.time_zone,
        }

    def outcome(self, tick: datetime) -> Outcome | None:
        """Return what became of *tick*; None if the ledger does not have it."""
        index = self._index(tick)
        return None if index is None else self._outcome_at(index)

    def between(
        self, start: datetime | None = None, end: datetime | None = None
    ) -> Iterator[tuple[datetime, Outcome]]:
        """Iterate over the ticks from *start* to *end*, both included, newest first.

        None as a bound excludes nothing. Computing the ticks of the longest ledger takes up to
        0.2 s; they are remembered.
        """
        for tick, letter in zip(self._ticks(len(self.outcomes)), self.outcomes, strict=False):
            if start is not None and tick < start:
                return
            if end is None or tick <= end:
                yield tick, Outcome(letter)

    def extended(
        self,
        start: datetime,
        end: datetime,
        otherwise: Outcome,
        outcomes: Mapping[datetime, Outcome] = MappingProxyType({}),
    ) -> Self:
        """Return the ledger with the ticks up to *end* that it does not have yet.

        Args:
            start: an empty ledger begins with the first tick after it. A tick before it that the
                ledger does not have becomes ``UNKNOWN``.
            end: the last of the new ticks is not after it.
            otherwise: outcome of a new tick that is not in *outcomes*.
            outcomes: what is known of new ticks.
        """
        if self.latest is None:
            return self._prepended(_latest_ticks(self.cron, start, end), outcomes, otherwise)
        before = []
        if start > self.latest:
            before = _latest_ticks(self.cron, self.latest, min(start, end))
        ledger = self._prepended(before, outcomes, Outcome.UNKNOWN)
        after = _latest_ticks(self.cron, max(start, self.latest), end)
        return ledger._prepended(after, outcomes, otherwise)

    def recorded(self, outcomes: Mapping[datetime, Outcome]) -> Self:
        """Return the ledger with other *outcomes* for ticks that it has, or that came before.

        The ledger grows at its end down to the earliest of them, as far as there is room; ticks in
        between become ``UNKNOWN``. Times at which *cron* does not fire change nothing, and neither
        do those after the newest tick of the ledger.
        """
        if not outcomes:
            return self
        if self.latest is None:
            latest = max((tick for tick in outcomes if is_tick(self.cron, tick)), default=None)
            return replace(self, latest=latest).recorded(outcomes) if latest else self
        indices = self._indices() if len(outcomes) > _FEW else None
        letters = list(self.outcomes)
        for tick, outcome in outcomes.items():
            index = self._index(tick) if indices is None else indices.get(tick)
            if index is not None:
                letters += Outcome.UNKNOWN * (index + 1 - len(letters))
                letters[index] = outcome
        return replace(self, outcomes="".join(letters))

    def settled(self, active: Collection[datetime]) -> Self:
        """Return the ledger in which only the ticks in *active* are ``RUNNING``.

        A run that left no trace, because its Job vanished while nobody looked, leaves its tick
        ``UNKNOWN``.
        """
        stale = [
            tick
            for tick, outcome in self._up_to_last(Outcome.RUNNING)
            if outcome is Outcome.RUNNING and tick not in active
        ]
        return self.recorded(dict.fromkeys(stale, Outcome.UNKNOWN))

    def until(self, end: datetime) -> Self:
        """Return the ledger without ticks after *end*, as a clock that ran ahead leaves them."""
        if self.latest is None or self.latest <= end:
            return self
        later = len(self.cron.ticks_between(end, self.latest, len(self.outcomes)))
        if later == len(self.outcomes):
            return replace(self, latest=None, outcomes="")
        latest = self.cron.previous_tick(end + _SECOND)
        return replace(self, latest=latest, outcomes=self.outcomes[later:])

    def _prepended(
        self, ticks: list[datetime], outcomes: Mapping[datetime, Outcome], otherwise: Outcome
    ) -> Self:
        if not ticks:
            return self
        new = "".join(outcomes.get(tick, otherwise) for tick in reversed(ticks))
        return replace(self, latest=ticks[-1], outcomes=(new + self.outcomes)[:MAX_TICKS])

    def _index(self, tick: datetime) -> int | None:
        """Return how many ticks came after *tick*, up to the newest one of the ledger.

        The result is None if *cron* does not fire at that time, if the time is after the newest
        tick, or if it is too early for any ledger. A stranger's Job may name any time, so what is
        far back is looked up among ticks that are computed once.
        """
        if self.latest is None or not _EARLIEST < tick <= self.latest:
            return None
        if tick == self.latest:
            return 0
        later = len(self.cron.ticks_between(tick, self.latest, _NEAR))
        if later < _NEAR:
            return later if is_tick(self.cron, tick) else None
        return self._indices().get(tick)

    def _indices(self) -> dict[datetime, int]:
        """Return :meth:`_index` of every tick that a ledger can have."""
        return {tick: index for index, tick in enumerate(self._ticks(MAX_TICKS)[:MAX_TICKS])}

    def _ticks(self, count: int) -> tuple[datetime, ...]:
        """Return the newest tick and those before it, at least *count* if there are so many."""
        return _ticks_up_to(self.cron, self.latest, -(-count // _NEAR)) if self.latest else ()

    def _outcome_at(self, index: int) -> Outcome | None:
        return Outcome(self.outcomes[index]) if index < len(self.outcomes) else None

    def _up_to_last(self, outcome: Outcome) -> Iterator[tuple[datetime, Outcome]]:
        """Iterate over the ticks from the newest to the earliest that has *outcome*."""
        outcomes = self.outcomes[: self.outcomes.rfind(outcome) + 1]
        return replace(self, outcomes=outcomes).between()


def is_tick(cron: CronSchedule, moment: datetime) -> bool:
    """Return whether *moment* is a tick of *cron*; False if it is out of the bounds of times."""
    try:
        return cron.next_tick(moment - _SECOND) == moment
    except (ValueError, OverflowError):
        return False


def _latest_ticks(cron: CronSchedule, start: datetime, end: datetime) -> list[datetime]:
    """Return the latest ticks after *start*, up to and including *end*, oldest first.

    At most :data:`MAX_TICKS`, however long ago *start* was.
    """
    ticks = cron.ticks_between(start, end, MAX_TICKS)
    if len(ticks) == MAX_TICKS:
        ticks = list(islice(_ticks_back_from(cron, end), MAX_TICKS))[::-1]
    return ticks


@lru_cache(maxsize=64)
def _ticks_up_to(cron: CronSchedule, latest: datetime, stretches: int) -> tuple[datetime, ...]:
    """Return *latest* and the ticks before it, newest first."""
    return tuple(islice(_ticks_back_from(cron, latest), stretches * _NEAR))


def _ticks_back_from(cron: CronSchedule, end: datetime) -> Iterator[datetime]:
    """Iterate over the ticks up to *end*, newest first.

    A step back costs as much as several steps forward. So step forward through stretches, each
    twice as long as the later one while that had few ticks.
    """
    stretch, last = _FIRST_STRETCH, cron.previous_tick(end + _SECOND)
    while last is not None and last > _EARLIEST:
        start = max(last - stretch, _EARLIEST)
        ticks = cron.ticks_between(start, last, _NEAR)
        if ticks and ticks[-1] == last:
            stretch = 2 * stretch if 2 * len(ticks) < _NEAR else stretch
            yield from reversed(ticks)
            last = cron.previous_tick(ticks[0])
        else:
            stretch /= 2
