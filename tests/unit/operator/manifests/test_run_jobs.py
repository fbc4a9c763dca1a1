"""The Jobs that the operator itself starts."""

from datetime import UTC, datetime
from typing import Any

from download_operator.cache.objects import parse_cron_job
from download_operator.manifests.run_jobs import (
    build_manual_job,
    build_tick_job,
    requested_by_hand,
)
from download_schedule.names import manual_job_name
from tests.support.cluster_objects import cron_job_manifest, desired_state, schedule_object

TICK = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
DESIRED = desired_state()
TEMPLATE = DESIRED.manifest["spec"]["jobTemplate"]
CRON_JOB = parse_cron_job(cron_job_manifest())


def tick_job(**annotations: str) -> dict[str, Any]:
    return build_tick_job(
        schedule_object(), DESIRED, CRON_JOB, TICK, "report-29923320", annotations
    )


def environment(job: dict[str, Any]) -> list[dict[str, Any]]:
    (container,) = job["spec"]["template"]["spec"]["containers"]
    env: list[dict[str, Any]] = container["env"]
    return env


def test_manual_job_is_the_template_of_the_cron_job() -> None:
    job = build_manual_job(schedule_object(), DESIRED, CRON_JOB, "request")

    assert job["spec"] == TEMPLATE["spec"]
    assert job["metadata"]["labels"] == TEMPLATE["metadata"]["labels"]
    assert job["metadata"]["name"] == manual_job_name("report", "request")
    (owner,) = job["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"], owner["controller"]) == ("CronJob", "cron-job-uid", True)


def test_job_of_a_tick_differs_from_the_template_in_one_variable() -> None:
    job = tick_job()

    *others, last = environment(job)
    assert last == {"name": "DOWNLOAD_TICK", "value": "2026-11-23T02:00:00Z"}
    assert others == environment(TEMPLATE)
    environment(job).pop()
    assert job["spec"] == TEMPLATE["spec"]


def test_template_stays_as_it_is() -> None:
    tick_job()
    assert desired_state() == DESIRED


def test_job_of_a_tick_says_its_tick_and_what_started_it() -> None:
    job = tick_job(**requested_by_hand(schedule_object()))

    assert job["metadata"]["name"] == "report-29923320"
    assert job["metadata"]["annotations"] == {
        "cronjob.kubernetes.io/instantiate": "manual",
        "downloads.dev/run-token": "",
        "batch.kubernetes.io/cronjob-scheduled-timestamp": "2026-11-23T02:00:00Z",
    }
