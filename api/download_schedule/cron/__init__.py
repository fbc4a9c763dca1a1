"""Cron exactly as Kubernetes means it: what it accepts, what it refuses, and when it fires.

Kubernetes reads schedules with github.com/robfig/cron v3, which differs from the usual Python
libraries (docs/design/2026-11-cron-engine.md). This package is a port of it; tests/differential
compares the two. It is pure: no clock, and no input but the time zone tables of the ``tzdata``
package. Other packages import from here, and the
HTTP API also imports :mod:`.croniter_comparison`.
"""

from download_schedule.cron.errors import CronError
from download_schedule.cron.hashed import render
from download_schedule.cron.included import next_included_tick, why_excluded
from download_schedule.cron.parser import MAX_LENGTH, parse
from download_schedule.cron.patterns import FIELD_PATTERNS
from download_schedule.cron.schedule import CronSchedule

__all__ = [
    "FIELD_PATTERNS",
    "MAX_LENGTH",
    "CronError",
    "CronSchedule",
    "next_included_tick",
    "parse",
    "render",
    "why_excluded",
]
