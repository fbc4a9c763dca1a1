"""A run requested by annotation: one for each token, whatever happens in between."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from download_operator.cache.objects import parse_job
from download_operator.planning.actions import StartRun, StopRun, Wait, WriteStatus
from download_operator.planning.plan import plan
from download_schedule.model import MAX_RUN_REQUESTS
from download_schedule.names import manual_job_name, run_request
from tests.support.cluster_objects import job_manifest
from tests.support.fake_cluster import FakeCluster


def job_names(cluster: FakeCluster) -> list[str]:
    return [run.job.name for run, _ in cluster.snapshot().runs]


def count_started(cluster: FakeCluster) -> int:
    return sum(isinstance(action, StartRun) for action in cluster.settle())


def ready_cluster(**spec: object) -> FakeCluster:
    cluster = FakeCluster(**spec)
    cluster.settle()
    return cluster


def test_token_starts_one_run_from_the_template() -> None:
    cluster = ready_cluster()
    cluster.request_run("a")

    action = cluster.plan()
    assert isinstance(action, StartRun)
    template = cluster.desired_manifest["spec"]["jobTemplate"]
    assert action.manifest["spec"] == template["spec"]
    assert action.manifest["metadata"]["ownerReferences"][0]["uid"] == "cron-job-uid"

    assert count_started(cluster) == 1
    cluster.now += timedelta(minutes=1)
    assert count_started(cluster) == 0
    assert cluster.newest_run["trigger"] == "Manual"
    assert cluster.newest_run["token"] == "a"
    assert len(cluster.status["runRequests"]) == 1


def test_different_token_starts_a_different_run() -> None:
    cluster = ready_cluster(concurrencyPolicy="Allow")

    for token in "ab":
        cluster.request_run(token)
        assert count_started(cluster) == 1

    assert len(set(job_names(cluster))) == 2


def test_token_that_had_its_run_starts_no_other() -> None:
    cluster = ready_cluster(concurrencyPolicy="Allow")
    for token in "ab":
        cluster.request_run(token)
        cluster.settle()

    cluster.request_run("a")

    assert count_started(cluster) == 0


def test_hundred_newest_tokens_are_remembered() -> None:
    cluster = ready_cluster(concurrencyPolicy="Allow")

    for number in range(MAX_RUN_REQUESTS + 1):
        cluster.request_run(str(number))
        assert count_started(cluster) == 1

    assert len(cluster.status["runRequests"]) == MAX_RUN_REQUESTS


def test_restart_between_job_and_status_yields_the_same_job_again() -> None:
    """The Job's name comes from the token, so Kubernetes refuses the second one."""
    cluster = ready_cluster()
    cluster.request_run("a")
    first = cluster.plan()

    cluster.restart_operator()
    cluster.store_cron_job(cluster.desired_manifest)
    second = cluster.plan()

    assert isinstance(first, StartRun)
    assert isinstance(second, StartRun)
    assert first.manifest == second.manifest


def test_same_token_on_a_schedule_created_again_starts_a_different_job() -> None:
    cluster, names = ready_cluster(), []

    for uid in ("one", "two"):
        cluster.manifest["metadata"]["uid"] = uid
        cluster.desired = None
        cluster.restart_operator()
        cluster.settle()
        cluster.request_run("a")
        cluster.settle()
        names += job_names(cluster)

    assert len(set(names)) == 2


def test_forbid_waits_for_the_active_run() -> None:
    cluster = ready_cluster(concurrencyPolicy="Forbid")
    cluster.job_event(number=1)
    cluster.settle()

    cluster.request_run("a")
    assert count_started(cluster) == 0

    cluster.pod_event(job=1, exit_code=0, message="{}")
    cluster.job_event(number=1, ended="Complete")
    assert count_started(cluster) == 1


def test_replace_stops_the_active_run() -> None:
    cluster = ready_cluster(concurrencyPolicy="Replace")
    cluster.job_event(number=1)
    cluster.settle()

    cluster.request_run("a")
    kinds = [type(action) for action in cluster.settle()]

    assert kinds[:2] == [StopRun, StartRun]
    assert set(kinds[2:]) <= {WriteStatus}


def test_allow_starts_a_run_beside_the_active_one() -> None:
    cluster = ready_cluster(concurrencyPolicy="Allow")
    cluster.job_event(number=1)
    cluster.settle()

    cluster.request_run("a")

    assert count_started(cluster) == 1


def test_suspended_schedule_runs_on_request() -> None:
    cluster = ready_cluster(suspend=True)

    cluster.request_run("a")

    assert count_started(cluster) == 1


def test_empty_token_is_not_a_request() -> None:
    cluster = ready_cluster()
    assert isinstance(cluster.plan(), Wait)

    cluster.request_run("")

    assert isinstance(cluster.plan(), Wait)


def test_long_token_is_shown_in_part_and_compared_as_a_whole() -> None:
    cluster = ready_cluster(concurrencyPolicy="Allow")

    for end in "ab":
        cluster.request_run("x" * 200 + end)
        assert count_started(cluster) == 1
    cluster.now += timedelta(minutes=1)
    cluster.settle()

    assert cluster.newest_run["token"] == "x" * 128


def test_refused_run_does_not_keep_others_from_being_recorded() -> None:
    cluster = ready_cluster(concurrencyPolicy="Allow")
    cluster.request_run("a")
    cluster.pod_event(exit_code=20)
    cluster.job_event(ended="Failed")
    assert isinstance(cluster.plan(), StartRun)

    assert cluster.desired
    action = plan(cluster.snapshot(), cluster.desired, cluster.now, may_start_run=False)

    assert isinstance(action, WriteStatus)
    assert action.status["counts"]["failed"] == 1


TICK = "2026-11-23T02:00:00Z"
"""A tick of `0 2 * * *`; report-29923320 is the name that the CronJob controller gives its Job."""


def cluster_after_tick(**spec: object) -> FakeCluster:
    cluster = ready_cluster(**spec)
    cluster.now = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
    cluster.settle()
    return cluster


def end_job(cluster: FakeCluster, name: str, ended: str = "Complete", **job: Any) -> None:
    """End a Job that the operator started."""
    number = sum(run.job.name <= name for run, _ in cluster.snapshot().runs)
    (before,) = (run.job for run, _ in cluster.snapshot().runs if run.job.name == name)
    manifest = job_manifest(number, cluster.next_version(), ended, **job)
    metadata = {**manifest["metadata"], "name": name, "uid": before.uid}
    annotations = metadata["annotations"] | {"downloads.dev/run-token": before.token or ""}
    manifest["metadata"] = {**metadata, "annotations": annotations}
    cluster.list_pods = lambda _: []
    cluster.cache.put_job(parse_job(manifest))
    cluster.settle()


def test_run_of_a_tick_has_the_name_that_the_cron_job_would_give_it() -> None:
    cluster = cluster_after_tick()
    assert cluster.status["ticks"]["outcomes"] == "M"
    cluster.request_run("a", tick=TICK)

    action = cluster.plan()
    assert isinstance(action, StartRun)
    assert action.manifest["metadata"]["name"] == "report-29923320"
    assert count_started(cluster) == 1
    cluster.now += timedelta(minutes=1)
    assert count_started(cluster) == 0
    assert len(cluster.status["runRequests"]) == 1
    run = cluster.newest_run
    assert (run["trigger"], run["token"], run["scheduledTime"]) == ("Manual", "a", TICK)
    assert cluster.status["ticks"]["outcomes"] == "R"


def test_tick_whose_run_is_over_gets_a_new_run_and_the_latest_outcome() -> None:
    cluster = cluster_after_tick()
    outcomes = []
    for token, ended in (("a", "Failed"), ("b", "Complete"), ("c", "Failed")):
        cluster.request_run(token, tick=TICK)
        assert count_started(cluster) == 1
        end_job(cluster, job_names(cluster)[-1], ended)
        outcomes.append(cluster.status["ticks"]["outcomes"])

    assert outcomes == ["F", "C", "F"]
    first, *others = job_names(cluster)
    assert first == "report-29923320"
    assert others == [manual_job_name("report", run_request("schedule-uid", t)) for t in "bc"]
    assert cluster.counts == {"completed": 1, "failed": 2, "missed": 1}


@pytest.mark.parametrize("policy", ["Allow", "Forbid", "Replace"])
def test_run_of_a_tick_waits_while_another_run_of_it_is_under_way(policy: str) -> None:
    cluster = cluster_after_tick(concurrencyPolicy=policy)
    cluster.job_event(number=1)
    cluster.settle()
    cluster.request_run("a", tick=TICK)
    assert count_started(cluster) == 0

    cluster.pod_event(exit_code=0, message="{}")
    cluster.job_event(number=1, ended="Complete")
    assert count_started(cluster) == 1


def test_run_of_a_tick_waits_until_the_run_before_it_is_counted() -> None:
    """Otherwise the runs could be recorded in the wrong order."""
    cluster = cluster_after_tick(concurrencyPolicy="Allow")
    cluster.job_event(number=1, ended="Complete")
    cluster.request_run("a", tick=TICK)

    kinds = [type(action) for action in cluster.settle()]

    assert kinds.index(WriteStatus) < kinds.index(StartRun)


def test_restart_between_job_and_status_yields_the_same_job_of_the_tick_again() -> None:
    cluster = cluster_after_tick()
    cluster.request_run("a", tick=TICK)
    first = cluster.plan()

    cluster.restart_operator()
    cluster.store_cron_job(cluster.desired_manifest)

    assert isinstance(first, StartRun)
    assert cluster.plan() == first


def test_job_of_the_tick_by_the_cron_job_is_not_the_requested_run() -> None:
    """It is taken up when Kubernetes refuses ours. The request waits, and then has its own run."""
    cluster = cluster_after_tick(concurrencyPolicy="Allow")
    cluster.request_run("a", tick=TICK)
    cluster.create_job({"metadata": {**job_manifest()["metadata"], "name": "report-29923320"}})
    assert count_started(cluster) == 0
    assert "runRequests" not in cluster.status

    end_job(cluster, "report-29923320")

    assert len(job_names(cluster)) == 2
    assert len(cluster.status["runRequests"]) == 1


def test_suspended_schedule_runs_a_tick_on_request() -> None:
    cluster = cluster_after_tick(suspend=True)
    cluster.request_run("a", tick=TICK)
    assert count_started(cluster) == 1
    cluster.now += timedelta(minutes=1)
    cluster.settle()
    assert cluster.status["ticks"]["outcomes"] == "R"


def test_tick_before_the_schedule_was_made_has_a_run() -> None:
    cluster = cluster_after_tick()
    cluster.request_run("a", tick="2026-11-20T02:00:00+00:00")
    assert count_started(cluster) == 1
    cluster.now += timedelta(minutes=1)
    cluster.settle()
    assert cluster.status["ticks"]["outcomes"] == "MUUR"


@pytest.mark.parametrize(
    ("tick", "sentence"),
    [
        ("yesterday", "write for example 2026-11-29T02:00:00Z"),
        ("2026-11-23T02:00:00", "is not a time with a date and a zone"),
        ("2026-11-24T02:00:00Z", "in the future; write a tick that has passed, such as 2026-11-23"),
        ("2026-11-22T03:00:00Z", "write 2026-11-22T02:00:00Z or 2026-11-23T02:00:00Z"),
        ("2026-11-23T03:00:00Z", "write 2026-11-23T02:00:00Z, and a new token"),
        ("1970-01-01T00:00:00Z", "too early"),
    ],
)
def test_time_without_a_run_is_refused_once_with_a_sentence(tick: str, sentence: str) -> None:
    cluster = cluster_after_tick()
    cluster.request_run("a", tick=tick)

    (action,) = cluster.settle()

    assert isinstance(action, WriteStatus)
    assert sentence in action.refusal
    assert len(action.status["runRequests"]) == 1
    assert cluster.settle() == []
    cluster.request_run("b", tick=TICK)
    assert count_started(cluster) == 1


def test_token_with_a_tick_has_at_most_128_characters() -> None:
    cluster = cluster_after_tick()
    cluster.request_run("x" * 129, tick=TICK)
    (action,) = cluster.settle()
    assert "write a shorter one" in action.refusal

    cluster.request_run("x" * 128, tick=TICK)
    assert count_started(cluster) == 1
