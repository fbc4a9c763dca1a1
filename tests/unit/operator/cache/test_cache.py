"""The cache as watches fill it: what it reports, and what it holds after a list."""

from collections.abc import Callable
from typing import Any

import pytest

from download_kube.reflector import missing_objects
from download_operator.cache.cache import ClusterCache
from download_operator.cache.objects import (
    CronJob,
    Job,
    Schedule,
    parse_cron_job,
    parse_job,
    parse_pod,
    parse_schedule,
)
from download_operator.cache.snapshot import Key, Refusal
from tests.support.cluster_objects import (
    cron_job_manifest,
    job_manifest,
    pod_manifest,
    schedule_manifest,
)
from tests.support.fake_cluster import KEY, START


@pytest.fixture
def reported() -> list[Key]:
    return []


@pytest.fixture
def cache(reported: list[Key]) -> ClusterCache:
    """A cache with one schedule; what was reported about it is forgotten."""
    cache = ClusterCache(reported.append, lambda: START)
    cache.put_schedule(schedule(version=1))
    reported.clear()
    return cache


def schedule(version: int, uid: str = "schedule-uid", **spec: Any) -> Schedule:
    manifest = schedule_manifest(version, **spec)
    manifest["metadata"]["uid"] = uid
    return parse_schedule(manifest)


def cron_job(version: int, **metadata: Any) -> CronJob:
    manifest = cron_job_manifest(version)
    return parse_cron_job({**manifest, "metadata": {**manifest["metadata"], **metadata}})


def job(version: int, namespace: str = "team") -> Job:
    manifest = job_manifest(version=version)
    manifest["metadata"]["namespace"] = namespace
    return parse_job(manifest)


def test_our_own_write_disappears_with_the_next_list_if_no_watch_delivered_it(
    cache: ClusterCache,
) -> None:
    cache.note_cron_job(KEY, "digest", cron_job(version=2))

    for missing in missing_objects(cache.cron_jobs(), set(), 3):
        cache.remove_cron_job(missing)

    snapshot = cache.snapshot(KEY)
    assert snapshot
    assert snapshot.cron_job is None


def test_only_listed_objects_and_those_newer_than_the_list_stay(cache: ClusterCache) -> None:
    for number, version in ((1, 5), (2, 6), (3, 7)):
        cache.put_job(parse_job(job_manifest(number, version)))

    missing = missing_objects(cache.jobs(), {"job-1"}, 6)

    assert [job.uid for job in missing] == ["job-2"]


def test_deleted_job_does_not_disappear_again_with_a_list(cache: ClusterCache) -> None:
    cache.remove_job(job(version=5))

    assert missing_objects(cache.jobs(), set(), 6) == []


def test_every_kind_of_event_reports_the_schedule(cache: ClusterCache, reported: list[Key]) -> None:
    pod = parse_pod(pod_manifest(version=7))
    ended = parse_pod(pod_manifest(version=8, exit_code=0))
    events: list[Callable[[], None]] = [
        lambda: cache.put_schedule(schedule(version=2, suspend=True)),
        lambda: cache.put_cron_job(cron_job(version=3)),
        lambda: cache.remove_cron_job(cron_job(version=4)),
        lambda: cache.put_job(job(version=6)),
        lambda: cache.put_pod(pod),
        lambda: cache.remove_pod(ended),
        lambda: cache.remove_job(job(version=9)),
        lambda: cache.remove_schedule(schedule(version=10)),
    ]

    for event in events:
        event()
        assert reported == [KEY]
        reported.clear()


def test_event_that_changes_nothing_reports_nothing(
    cache: ClusterCache, reported: list[Key]
) -> None:
    cache.put_cron_job(cron_job(version=2))
    cache.put_job(job(version=3))
    cache.put_pod(parse_pod(pod_manifest(version=4)))
    reported.clear()

    cache.put_cron_job(cron_job(version=5))
    cache.put_job(job(version=6))
    cache.put_pod(parse_pod(pod_manifest(version=7)))

    assert reported == []


def test_response_to_our_own_write_reports_nothing(
    cache: ClusterCache, reported: list[Key]
) -> None:
    cache.note_cron_job(KEY, "digest", cron_job(version=2))
    cache.note_schedule(schedule(version=3, suspend=True))

    assert reported == []


def test_cron_job_reports_the_schedule_of_its_label_and_the_one_of_its_name(
    cache: ClusterCache, reported: list[Key]
) -> None:
    manifest = schedule_manifest(version=2)
    manifest["metadata"] |= {"name": "other", "uid": "other-uid"}
    cache.put_schedule(parse_schedule(manifest))
    reported.clear()

    cache.put_cron_job(cron_job(version=3, name="other"))

    assert sorted(reported) == [("team", "other"), KEY]


def test_job_of_another_namespace_is_dropped_when_it_is_deleted(
    cache: ClusterCache, reported: list[Key]
) -> None:
    cache.put_job(job(version=2, namespace="others"))
    reported.clear()

    cache.remove_job(job(version=3, namespace="others"))

    assert reported == []
    snapshot = cache.snapshot(KEY)
    assert snapshot
    assert snapshot.runs == ()


def test_schedule_created_again_starts_without_notes_and_deleted_runs(
    cache: ClusterCache,
) -> None:
    cache.note_refusal(KEY, Refusal("digest", "CronJobRefused", "quota", START))
    cache.put_pod(parse_pod(pod_manifest(version=2)))
    cache.remove_job(job(version=3))

    cache.put_schedule(schedule(version=4, uid="another"))

    snapshot = cache.snapshot(KEY)
    assert snapshot
    assert (snapshot.refusal, snapshot.runs) == (None, ())
    assert list(cache.pods()) == []


def test_nothing_is_noted_about_a_schedule_that_does_not_exist(cache: ClusterCache) -> None:
    cache.remove_schedule(schedule(version=2))

    cache.note_refusal(KEY, Refusal("digest", "CronJobRefused", "quota", START))
    cache.note_cron_job(KEY, "digest", cron_job(version=3))
    cache.note_jobs(KEY, [], START)
    cache.put_schedule(schedule(version=4))

    snapshot = cache.snapshot(KEY)
    assert snapshot
    assert (snapshot.refusal, snapshot.last_write) == (None, None)
