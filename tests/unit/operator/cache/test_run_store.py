"""How long a run is kept: until a status has recorded how it ended."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from download_operator.cache.objects import Job, Pod, parse_job, parse_pod
from download_operator.cache.run_store import RunStore
from download_operator.cache.snapshot import Run
from tests.support.cluster_objects import job_manifest, pod_manifest
from tests.support.fake_cluster import START

NO_STATUS: dict[str, Any] = {}
COUNTED = {"recorded": ["job-1"]}


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> RunStore:
    store = RunStore(clock)
    store.put_job(job())
    store.put_pod(pod())
    return store


def job(version: int = 1, ended: str | None = None) -> Job:
    return parse_job(job_manifest(version=version, ended=ended))


def pod(version: int = 1, exit_code: int | None = None) -> Pod:
    return parse_pod(pod_manifest(version=version, exit_code=exit_code))


def runs(store: RunStore) -> list[Run]:
    return [run for run, _ in store.owned_by("cron-job-uid", "team")]


def test_recorded_run_stays_while_its_job_exists(store: RunStore) -> None:
    store.note_status("cron-job-uid", COUNTED)

    (run,) = runs(store)
    assert run.is_recorded
    assert not run.is_deleted


def test_recorded_run_stays_recorded_though_a_later_status_forgets_it(store: RunStore) -> None:
    store.note_status("cron-job-uid", COUNTED)
    store.note_status("cron-job-uid", NO_STATUS)

    (run,) = runs(store)
    assert run.is_recorded


def test_recorded_run_is_dropped_when_its_job_is_deleted(store: RunStore) -> None:
    store.note_status("cron-job-uid", COUNTED)
    store.remove_job(job(version=2), NO_STATUS)

    assert runs(store) == []
    assert list(store.pods()) == []


def test_deleted_run_stays_until_a_status_counts_it(store: RunStore) -> None:
    store.remove_job(job(version=2), NO_STATUS)
    (run,) = runs(store)
    assert run.is_deleted
    assert list(store.jobs()) == []

    store.note_status("cron-job-uid", COUNTED)

    assert runs(store) == []
    assert list(store.pods()) == []


def test_job_deleted_before_its_end_has_the_outcome_job_deleted(
    store: RunStore, clock: Clock
) -> None:
    clock.now += timedelta(minutes=1)
    store.remove_job(job(version=2), NO_STATUS)

    (run,) = runs(store)
    assert run.job.outcome
    assert (run.job.outcome.is_completed, run.job.outcome.reason) == (False, "JobDeleted")
    assert run.ended_at == clock.now


def test_job_deleted_after_its_end_keeps_its_outcome(store: RunStore, clock: Clock) -> None:
    store.put_job(job(version=2, ended="Complete"))
    clock.now += timedelta(minutes=1)
    store.remove_job(job(version=3, ended="Complete"), NO_STATUS)

    (run,) = runs(store)
    assert run.job.outcome
    assert run.job.outcome.is_completed
    assert run.ended_at == START


def test_job_without_a_schedule_is_dropped_at_once(store: RunStore) -> None:
    store.remove_job(job(version=2), None)

    assert runs(store) == []
    assert list(store.pods()) == []


def test_deleted_run_is_dropped_with_its_schedule(store: RunStore) -> None:
    """In a foreground deletion, and in that of a namespace, Jobs are deleted first."""
    store.remove_job(job(version=2), NO_STATUS)

    store.forget_owner("cron-job-uid")

    assert runs(store) == []
    assert list(store.pods()) == []


def test_live_run_is_dropped_with_its_schedule(store: RunStore) -> None:
    store.forget_owner("cron-job-uid")

    assert runs(store) == []
    assert not store.has_runs("cron-job-uid")
    assert list(store.pods()) == []


def test_dropped_run_does_not_come_back_with_a_late_response(store: RunStore) -> None:
    store.remove_job(job(version=3), None)

    assert not store.put_job(job(version=2))
    store.remove_job(job(version=2), NO_STATUS)

    assert runs(store) == []


def test_run_stays_with_the_cron_job_that_controlled_its_job_at_first(store: RunStore) -> None:
    """Whoever may edit a Job can write other labels and owners into it."""
    manifest = job_manifest(version=2)
    manifest["metadata"] |= {"labels": {}, "ownerReferences": []}
    store.put_job(parse_job(manifest))
    assert len(runs(store)) == 1

    manifest["metadata"]["resourceVersion"] = "3"
    store.remove_job(parse_job(manifest), None)

    assert runs(store) == []
    assert not store.has_runs("cron-job-uid")
    assert not store.has_runs("")


def test_deleted_job_is_not_live_again_after_an_older_event(store: RunStore) -> None:
    store.remove_job(job(version=3), NO_STATUS)

    assert not store.put_job(job(version=2))

    assert list(store.jobs()) == []


def test_deleted_pod_stays_as_an_attempt_of_its_run(store: RunStore) -> None:
    assert store.remove_pod(pod(version=2, exit_code=0))

    ((_, pods),) = store.owned_by("cron-job-uid", "team")
    assert [pod.exit_code for pod in pods] == [0]


def test_deleted_pod_without_a_run_is_dropped(store: RunStore) -> None:
    store.remove_job(job(version=2), None)
    store.put_pod(pod(version=3))

    assert not store.remove_pod(pod(version=4))

    assert list(store.pods()) == []


def test_run_that_changed_in_its_version_alone_is_not_news(store: RunStore) -> None:
    assert not store.put_job(job(version=2))
    assert not store.put_pod(pod(version=2))
    assert store.put_job(job(version=3, ended="Failed"))
    assert store.put_pod(pod(version=3, exit_code=10))


def test_listed_pods_are_noted_for_a_run_that_exists(store: RunStore) -> None:
    store.note_pods_listed(job())
    store.note_pods_listed(parse_job(job_manifest(number=2)))

    (run,) = runs(store)
    assert run.pods_listed
