"""Fill in the templates of a task. Only an attempt whose task has some loads this module."""

from dataclasses import replace
from datetime import datetime
from functools import cache

from download_schedule.attempt.task import Task
from download_schedule.attempt.template import Times, encode_for_url, render, render_text
from download_worker.zones import load_zone


class Templates:
    """The templates of one task, for one tick.

    Args:
        task: as the operator wrote it.
        tick: of the run, in whole seconds.

    Raises:
        ValueError: the time zone is unknown.
    """

    def __init__(self, task: Task, tick: datetime) -> None:
        zone = task.time_zone or ""

        @cache
        def previous() -> datetime:
            return _previous_tick(task.schedule or "", zone, tick)

        self._times = Times(tick, previous, load_zone(zone))
        self._names = {"namespace": task.namespace, "name": task.name}

    def fill_in(self, task: Task) -> Task:
        """Return *task* with the URL, body and headers of this tick.

        Raises:
            ValueError: a template is malformed, or no tick was before.
        """
        headers = (
            header._replace(value=header.value and render_text(header.value, self._times))
            for header in task.headers
        )
        return replace(
            task,
            url=render(task.url, self._times, self._names, encode_for_url),
            body=task.body and render_text(task.body, self._times),
            headers=tuple(headers),
        )

    def fill_path(self, path: str, filename: str) -> str:
        """Return the path or key of the file that the server calls *filename*.

        Raises:
            ValueError: as in :meth:`fill_in`.
        """
        return render(path, self._times, self._names | {"filename": filename})


def _previous_tick(expression: str, zone: str, tick: datetime) -> datetime:
    from download_schedule import cron

    previous = cron.parse(expression, zone).previous_tick(tick)
    if previous is None:
        raise ValueError(f"{expression[:200]!r} has no tick in the five years before {tick}")
    return previous
