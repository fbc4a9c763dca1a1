"""The cache as watches fill it: what it reports, and what it holds after a list."""

from collections.abc import Callable
from typing import Any

import pytest

from download_kube.reflector import missing_objects
from download_operator.cache.cache import MAX_OWNERS, ClusterCache
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


def foreign_job(version: int = 5, **metadata: Any) -> Job:
    """A Job in the schedule's namespace whose metadata somebody else wrote."""
    manifest = job_manifest(version=version)
    manifest["metadata"] |= metadata
    return parse_job(manifest)


def controlled_by(kind: str, uid: str) -> dict[str, Any]:
    owner = {"kind": kind, "name": "report", "uid": uid, "controller": True}
    return {"ownerReferences": [owner]}


def runs_of(cache: ClusterCache) -> list[str]:
    snapshot = cache.snapshot(KEY)
    assert snapshot
    return [run.job.uid for run, _ in snapshot.runs]


@pytest.mark.parametrize(
    "metadata",
    [
        {"ownerReferences": []},
        controlled_by("Deployment", "cron-job-uid"),
        controlled_by("CronJob", "another-cron-job"),
    ],
    ids=["label only", "another kind", "another CronJob"],
)
def test_job_is_a_run_only_if_the_cron_job_of_the_schedule_controls_it(
    cache: ClusterCache, reported: list[Key], metadata: dict[str, Any]
) -> None:
    cache.put_cron_job(cron_job(version=2))
    reported.clear()

    cache.put_job(foreign_job(**metadata))
    cache.remove_job(foreign_job(version=6, **metadata))

    assert runs_of(cache) == []
    assert reported == []
    assert list(cache.jobs()) == []


def test_job_without_the_label_is_a_run_if_its_cron_job_is_known(cache: ClusterCache) -> None:
    cache.put_cron_job(cron_job(version=2))

    cache.put_job(foreign_job(labels={}))

    assert runs_of(cache) == ["job-1"]


def test_job_that_comes_before_its_cron_job_is_a_run(cache: ClusterCache) -> None:
    cache.put_job(job(version=2))
    assert runs_of(cache) == []

    cache.put_cron_job(cron_job(version=3))

    assert runs_of(cache) == ["job-1"]


def test_job_of_a_former_cron_job_is_still_a_run(cache: ClusterCache) -> None:
    cache.put_cron_job(cron_job(version=2))
    cache.put_job(job(version=3))
    cache.remove_cron_job(cron_job(version=4))
    cache.put_cron_job(cron_job(version=5, uid="next"))
    cache.put_job(foreign_job(version=6, uid="later", **controlled_by("CronJob", "next")))

    assert runs_of(cache) == ["job-1", "later"]


def test_former_cron_jobs_without_runs_are_forgotten(cache: ClusterCache) -> None:
    for version in range(2, 100):
        cache.put_cron_job(cron_job(version=version, uid=f"cron-job-{version}"))
        cache.put_job(
            foreign_job(
                version, uid=f"j{version}", **controlled_by("CronJob", f"cron-job-{version}")
            )
        )
        cache.remove_job(
            foreign_job(
                version, uid=f"j{version}", **controlled_by("CronJob", f"cron-job-{version}")
            )
        )
        cache.note_schedule(schedule_that_counted(version, f"j{version}"))

    assert len(cache._owners) <= MAX_OWNERS
    assert runs_of(cache) == []


def schedule_that_counted(version: int, job_uid: str) -> Schedule:
    manifest = schedule_manifest(1000 + version)
    return parse_schedule({**manifest, "status": {"recorded": [job_uid]}})


@pytest.mark.parametrize("label", ["another", "schedule-uid"], ids=["unknown", "other namespace"])
def test_objects_of_schedules_that_do_not_exist_are_not_stored(
    cache: ClusterCache, label: str
) -> None:
    labels: dict[str, Any] = {
        "labels": {"downloads.dev/schedule-uid": label},
        "namespace": "others",
    }
    pod = pod_manifest(version=3)
    pod["metadata"] |= labels
    owner = {"kind": "DownloadSchedule", "name": "x", "uid": "another", "controller": True}

    cache.put_cron_job(cron_job(version=2, name="other", ownerReferences=[owner], **labels))
    cache.put_job(foreign_job(**labels))
    cache.put_pod(parse_pod(pod))

    assert (list(cache.cron_jobs()), list(cache.jobs()), list(cache.pods())) == ([], [], [])


def test_relabelled_job_is_one_run_and_leaves_nothing_behind(cache: ClusterCache) -> None:
    cache.put_cron_job(cron_job(version=2))
    cache.put_job(job(version=3))
    for version in range(4, 50):
        labels = {"downloads.dev/schedule-uid": f"label-{version}"}
        cache.put_job(foreign_job(version, labels=labels))
        assert runs_of(cache) == ["job-1"]

    cache.remove_job(foreign_job(50, labels={}))
    cache.note_schedule(schedule_that_counted(51, "job-1"))

    assert runs_of(cache) == []
    assert not cache._runs.has_runs("cron-job-uid")
