"""The CronJob that a schedule asks for, and the digest by which the operator recognizes it."""

from datetime import timedelta
from typing import Any

import pytest

from download_operator.manifests.cron_job import (
    ScheduleRefusedError,
    build_desired_state,
    job_retention,
    jobs_to_keep,
)
from download_operator.pod_egress import PodEgress
from download_operator.pod_scheduling import PodScheduling
from download_schedule import cron
from tests.support.cluster_objects import SETTINGS, desired_state, schedule_object


@pytest.mark.parametrize(
    ("expression", "limit", "retention"),
    [
        ("* * * * *", 100, timedelta(minutes=99)),
        ("*/20 * * * *", 19, timedelta(hours=6)),
        ("0 * * * *", 7, timedelta(hours=6)),
        ("0 2 * * *", 3, timedelta(hours=6)),
        ("0 0 29 2 *", 3, timedelta(hours=6)),
    ],
)
def test_finished_jobs_of_six_hours_are_kept_but_at_most_a_hundred(
    expression: str, limit: int, retention: timedelta
) -> None:
    parsed = cron.parse(expression)

    assert jobs_to_keep(parsed) == limit
    assert job_retention(parsed) == retention
    spec = desired_state(schedule=expression).manifest["spec"]
    assert spec["successfulJobsHistoryLimit"] == spec["failedJobsHistoryLimit"] == limit


def test_digest_changes_with_the_settings_that_reach_the_cron_job() -> None:
    low = {"pod_scheduling": PodScheduling(priority_class_name="low")}
    empty = {"pod_scheduling": PodScheduling()}

    def digest(settings: dict[str, PodScheduling]) -> str:
        return build_desired_state(
            schedule_object(), SETTINGS.model_copy(update=settings), PodEgress()
        ).spec_hash

    assert digest(low) != desired_state().spec_hash
    assert digest(empty) == desired_state().spec_hash


def test_digest_changes_with_the_egress_of_the_namespace() -> None:
    def digest(egress: PodEgress) -> str:
        return build_desired_state(schedule_object(), SETTINGS, egress).spec_hash

    digests = {
        digest(PodEgress()),
        digest(PodEgress(("10.0.0.0/8",))),
        digest(PodEgress((), ("10.0.0.0/8",))),
        digest(PodEgress((), (), (81,))),
    }
    assert len(digests) == 4


def test_format_pdf_is_refused_without_its_image() -> None:
    with pytest.raises(ValueError, match="ask the operator's administrator to set"):
        desired_state(format="pdf")


def test_every_fault_of_a_spec_is_named() -> None:
    with pytest.raises(ValueError, match=r"spec\.url: .*; spec\.keepLast: "):
        desired_state(url="ftp://example.com/x", keepLast=0)


BUCKET = {"bucket": "reports", "credentialsSecretRef": {"name": "bucket"}}


@pytest.mark.parametrize("destination", [{}, {"discard": {}}, {"s3": BUCKET}])
def test_only_a_path_on_a_claim_can_be_forbidden(destination: Any) -> None:
    desired_state(destination=destination)


def test_path_with_two_dots_is_forbidden_besides_being_invalid() -> None:
    volume = {"claimName": "data", "path": "{namespace}/{name}/../other/x"}
    with pytest.raises(ScheduleRefusedError, match="leads out of team/report/") as refused:
        desired_state(destination={"volume": volume})
    assert refused.value.must_stop


def test_requested_run_leaves_out_no_day_and_is_otherwise_the_same() -> None:
    desired = desired_state(exclude={"weekdays": ["Sat"], "calendarRef": {"name": "holidays"}})
    of_ticks = desired.manifest["spec"]["jobTemplate"]["spec"]

    assert desired.requested_job != of_ticks
    assert desired.requested_job == desired_state().requested_job

    without = desired_state(exclude={})
    assert without.requested_job is without.manifest["spec"]["jobTemplate"]["spec"]
    assert without.spec_hash == desired_state().spec_hash
