"""From resources to what callers see."""

from datetime import UTC, datetime

from download_api.schema.from_resource import to_schedule
from download_api.schema.models import Destination, Exclude, Volume
from tests.support.api_objects import resource

NOW = datetime(2026, 11, 23, 1, 30, tzinfo=UTC)


def test_resource_that_the_operator_has_not_seen_is_not_ready() -> None:
    schedule = to_schedule(resource(), NOW)
    assert (schedule.id, schedule.name, schedule.enabled) == ("team.report", "Report", True)
    assert schedule.next_run_time == datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
    assert not schedule.ready
    assert schedule.message == "The operator has not seen it yet."


def test_suspended_or_unreadable_schedule_has_no_next_run() -> None:
    assert to_schedule(resource(suspend=True), NOW).next_run_time is None
    assert to_schedule(resource(schedule="rubbish"), NOW).next_run_time is None


def test_resource_that_kubectl_created_is_shown() -> None:
    by_kubectl = resource(destination={"volume": {"claimName": "data"}})
    del by_kubectl["metadata"]["annotations"]
    by_kubectl["status"] = {"conditions": [{"type": "Ready", "status": "True", "message": "fine"}]}
    schedule = to_schedule(by_kubectl, NOW)
    assert schedule.name == "report"
    assert schedule.destination == Destination(volume=Volume(claim_name="data"))
    assert (schedule.ready, schedule.message) == (True, None)


def test_next_run_passes_over_days_that_are_left_out() -> None:
    exclude = {"dates": ["2026-11-23/2026-11-24"], "calendarRef": {"name": "holidays"}}
    schedule = to_schedule(resource(exclude=exclude), NOW)
    assert schedule.next_run_time == datetime(2026, 11, 25, 2, 0, tzinfo=UTC)
    assert schedule.exclude.model_dump(mode="json") == {
        "dates": ["2026-11-23/2026-11-24"],
        "weekdays": [],
        "month_days": [],
        "calendar_ref": {"name": "holidays"},
    }


def test_schedule_without_exclude_leaves_out_nothing() -> None:
    for spec in (resource(), resource(exclude={}), resource(exclude=None)):
        assert to_schedule(spec, NOW).exclude == Exclude()
