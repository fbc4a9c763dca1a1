"""Cron exactly as Kubernetes means it: reading, refusing, and the moments a schedule fires.

Kubernetes reads schedules with github.com/robfig/cron v3, whose reading differs from that of the
usual Python libraries (docs/design/2026-11-cron-engine.md). This package is a port of it, held
against the original by tests/differential. Pure: no clock, no I/O but the time zone tables of the
``tzdata`` package.
"""

from download_schedule.cron.errors import CronError
from download_schedule.cron.hashed import render
from download_schedule.cron.patterns import FIELD_PATTERNS
from download_schedule.cron.schedule import MAX_LENGTH, Schedule, parse

__all__ = ["FIELD_PATTERNS", "MAX_LENGTH", "CronError", "Schedule", "parse", "render"]
