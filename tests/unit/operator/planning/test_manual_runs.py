"""A run requested by annotation: one for each token, whatever happens in between."""

from datetime import timedelta

from download_operator.planning.actions import StartRun, StopRun, Wait, WriteStatus
from download_operator.planning.plan import plan
from download_schedule.model import MAX_RUN_REQUESTS
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
