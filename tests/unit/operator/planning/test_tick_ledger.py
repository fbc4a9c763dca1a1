"""The ledger in the status: a letter for each tick, as it really ended, in no write of its own."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from download_operator.planning.actions import WriteStatus
from download_schedule.ledger import MAX_TICKS
from download_schedule.timestamps import format_time
from tests.support.fake_cluster import START, FakeCluster


class Ticking(FakeCluster):
    """A schedule that fires every minute. Jobs have the number of their minute after START."""

    def __init__(self, **spec: Any) -> None:
        super().__init__(**{"schedule": "* * * * *", "startingDeadlineSeconds": 10, **spec})
        self.settle()

    def at(self, minutes: float) -> None:
        """Let the time come, and have the operator look."""
        self.now = START + timedelta(minutes=minutes)
        self.settle()

    def start(self, number: int, tick: int | None = None, **job: Any) -> None:
        """Have the CronJob start the Job of a tick, by default of the same number."""
        self.job_event(number=number, tick=minute(tick or number), **job)
        self.pod_event(job=number)
        self.settle()

    def end(self, number: int, tick: int | None = None, code: int = 0) -> None:
        self.pod_event(job=number, exit_code=code, message="{}")
        ended = "Failed" if code else "Complete"
        self.job_event(number=number, tick=minute(tick or number), ended=ended)
        self.settle()

    @property
    def letters(self) -> str:
        """The letters from the first minute on."""
        ticks = self.status.get("ticks", {})
        return str(ticks.get("outcomes", ""))[::-1]

    @property
    def latest(self) -> str:
        return str(self.status["ticks"]["latest"])


def minute(number: int) -> datetime:
    return START + timedelta(minutes=number)


def test_run_is_running_and_then_as_it_ended() -> None:
    cluster = Ticking()
    assert "ticks" not in cluster.status

    cluster.at(1)
    cluster.start(1)
    assert cluster.status["ticks"] == {
        "latest": "2026-11-23T01:01:00Z",
        "outcomes": "R",
        "schedule": "* * * * *",
        "timeZone": "Etc/UTC",
    }
    cluster.end(1)
    assert cluster.letters == "C"

    cluster.at(2)
    cluster.start(2)
    cluster.end(2, code=10)
    assert cluster.letters == "CF"


def test_ledger_costs_no_write() -> None:
    cluster = Ticking()
    cluster.at(1)
    cluster.start(1)
    cluster.pod_event(exit_code=0, message="{}")
    cluster.job_event(number=1, tick=minute(1), ended="Complete")

    assert [type(action) for action in cluster.settle()] == [WriteStatus]
    cluster.now += timedelta(seconds=30)
    assert cluster.settle() == []


def test_missed_tick_is_missed() -> None:
    cluster = Ticking()
    cluster.at(3.5)

    assert cluster.letters == "MMM"
    assert cluster.counts["missed"] == 3


def test_tick_without_a_run_on_a_day_that_is_left_out_is_skipped() -> None:
    cluster = Ticking(exclude={"dates": [f"{START:%Y-%m-%d}"]})
    cluster.at(2.5)
    assert "ticks" not in cluster.status  # it causes no write
    cluster.start(3)
    cluster.end(3)

    assert cluster.letters == "XXC"
    assert cluster.counts.get("missed", 0) == 0


def test_tick_that_may_still_start_has_no_letter() -> None:
    cluster = Ticking(startingDeadlineSeconds=300)
    cluster.at(1.5)
    cluster.request_run("a")
    cluster.settle()

    assert "ticks" not in cluster.status


def test_ticks_that_pass_while_suspended_are_filled_in_at_the_next_write() -> None:
    cluster = Ticking()
    cluster.at(1)
    cluster.start(1)
    cluster.end(1)
    cluster.edit_spec(suspend=True)
    cluster.settle()

    cluster.now = minute(4)
    assert cluster.settle() == []
    assert cluster.letters == "C"
    cluster.request_run("a")
    cluster.settle()
    assert cluster.letters == "CSSS"
    cluster.at(5)
    cluster.now = minute(6)
    assert cluster.settle() == []

    cluster.edit_spec(suspend=False)
    cluster.settle()
    assert cluster.letters == "C" + 5 * "S"
    assert cluster.counts["missed"] == 0


def test_schedule_that_begins_suspended_has_its_ticks() -> None:
    cluster = Ticking(suspend=True)
    cluster.now = minute(2)
    assert cluster.settle() == []

    cluster.edit_spec(suspend=False)
    cluster.settle()

    assert cluster.letters == "SS"


def test_year_of_suspension_leaves_a_thousand_letters() -> None:
    cluster = Ticking(suspend=True)
    cluster.now += timedelta(days=365)
    cluster.edit_spec(suspend=False)
    cluster.settle()

    assert cluster.letters == "S" * MAX_TICKS
    assert cluster.latest == format_time(cluster.now)


@pytest.mark.parametrize("change", [{"schedule": "*/2 * * * *"}, {"timeZone": "Asia/Kathmandu"}])
def test_ledger_starts_again_with_another_expression_or_zone(change: dict[str, str]) -> None:
    cluster = Ticking()
    cluster.at(1.5)
    assert cluster.letters == "M"
    cluster.edit_spec(**change)
    cluster.settle()
    assert "ticks" not in cluster.status

    cluster.at(2.5)

    assert cluster.letters == "M"
    assert cluster.status["ticks"]["timeZone"] == change.get("timeZone", "Etc/UTC")
    assert cluster.latest == "2026-11-23T01:02:00Z"


def test_ledger_goes_on_after_another_edit() -> None:
    """The tick at which it was edited has no run yet, and may get one."""
    cluster = Ticking(startingDeadlineSeconds=300)
    cluster.at(1)
    cluster.start(1)
    cluster.end(1)
    cluster.now = minute(2)
    cluster.edit_spec(url="https://example.com/y")
    cluster.settle()
    assert cluster.letters == "CU"

    cluster.start(2)
    cluster.end(2)
    assert cluster.letters == "CC"


def test_runs_count_while_the_spec_is_refused() -> None:
    cluster = Ticking()
    cluster.at(1)
    cluster.start(1)
    cluster.edit_spec(url="ftp://example.com")
    cluster.settle()
    cluster.now = minute(3)
    cluster.end(1)
    cluster.start(3)
    cluster.end(3)

    assert cluster.ready["reason"] == "InvalidSpec"
    assert cluster.letters == "CUC"


def test_run_of_a_deleted_job_failed() -> None:
    cluster = Ticking()
    cluster.at(1)
    cluster.start(1)
    cluster.job_deleted_event(number=1, tick=minute(1))
    cluster.settle()
    assert cluster.letters == "F"


def test_replaced_run_failed_and_the_next_one_runs() -> None:
    cluster = Ticking(concurrencyPolicy="Replace")
    cluster.at(1)
    cluster.start(1)
    cluster.now = minute(2)
    cluster.job_deleted_event(number=1, tick=minute(1))
    cluster.start(2)
    assert cluster.letters == "FR"


def test_runs_side_by_side_have_letters_of_their_own() -> None:
    cluster = Ticking(concurrencyPolicy="Allow")
    for number in (1, 2, 3):
        cluster.at(number)
        cluster.start(number)
    assert cluster.letters == "RRR"

    cluster.end(2, code=10)
    assert cluster.letters == "RFR"
    cluster.end(1)
    cluster.end(3)
    assert cluster.letters == "CFC"


def test_latest_run_of_a_tick_decides_in_whatever_order_they_end() -> None:
    """Somebody made the second Job by hand: the operator itself starts none beside another."""
    cluster = Ticking(concurrencyPolicy="Allow")
    cluster.at(1)
    cluster.start(1)
    cluster.start(2, tick=1)
    cluster.end(2, tick=1)
    assert cluster.letters == "C"

    cluster.end(1, code=10)

    assert cluster.letters == "C"
    assert cluster.counts == {"completed": 1, "failed": 1, "missed": 0}


def test_run_that_vanished_without_a_trace_is_not_running_forever() -> None:
    """The history has room for 100 runs only, and its Job went while no operator ran."""
    cluster = Ticking()
    cluster.at(1)
    cluster.start(1)
    cluster.edit_status(history=[], active=0)
    cluster.restart_operator()
    cluster.store_cron_job(cluster.desired_manifest)

    cluster.at(2.5)

    assert cluster.letters == "UM"


def test_run_that_leaves_the_history_stays_in_the_ledger() -> None:
    cluster = Ticking(historyLimit=1)
    for number in range(1, 6):
        cluster.at(number)
        cluster.start(number)
        cluster.end(number, code=10 * (number % 2))
        cluster.job_deleted_event(number=number, ended="Failed", tick=minute(number))
    assert cluster.letters == "FCFCF"


def test_hand_made_job_of_a_future_tick_has_no_letter() -> None:
    cluster = Ticking()
    cluster.at(0.5)
    cluster.start(1, tick=600)
    cluster.end(1, tick=600)
    assert "ticks" not in cluster.status

    cluster.at(1.5)
    assert cluster.letters == "M"


def test_hand_made_job_of_a_time_that_is_no_tick_has_no_letter() -> None:
    cluster = Ticking(schedule="*/5 * * * *")
    cluster.at(5)
    cluster.start(3)
    cluster.end(3)
    assert "C" not in cluster.letters


def test_ticks_before_the_operator_looked_are_unknown() -> None:
    """It judges those of the last six hours, because Kubernetes keeps Jobs so long."""
    cluster = Ticking(schedule="0 * * * *")
    cluster.now = START + timedelta(hours=19, minutes=30)
    cluster.restart_operator()
    cluster.store_cron_job(cluster.desired_manifest)
    cluster.settle()

    assert cluster.letters == "U" * 13 + "M" * 6
    assert cluster.counts["missed"] == 6


def test_clock_that_is_set_back_changes_no_letter_and_counts_nothing_twice() -> None:
    cluster = Ticking()
    cluster.at(3.5)
    assert (cluster.letters, cluster.counts["missed"]) == ("MMM", 3)

    cluster.now = minute(1)
    cluster.request_run("a")
    cluster.settle()
    cluster.edit_spec(url="https://example.com/y")
    cluster.settle()
    assert cluster.letters == "MMM"

    cluster.at(4.5)
    assert (cluster.letters, cluster.counts["missed"]) == ("MMMM", 4)


def test_clock_that_ran_years_ahead_leaves_nothing_behind() -> None:
    cluster = Ticking()
    cluster.at(1.5)
    cluster.now += timedelta(days=3650)
    cluster.edit_spec(url="https://example.com/y")
    cluster.settle()

    cluster.now = minute(2)
    cluster.edit_spec(url="https://example.com/z")
    cluster.settle()
    assert "ticks" not in cluster.status

    cluster.at(3.5)
    assert cluster.letters == "M"


@pytest.mark.parametrize(
    "ticks",
    [
        {"latest": "x", "outcomes": "C", "schedule": "* * * * *", "timeZone": "Etc/UTC"},
        {"latest": "2026-11-23T01:01:00Z", "outcomes": "C", "schedule": "", "timeZone": "?"},
        {},
    ],
)
def test_ledger_that_somebody_spoilt_starts_again(ticks: dict[str, str]) -> None:
    cluster = Ticking()
    cluster.edit_status(ticks=ticks)
    cluster.at(1.5)
    assert cluster.letters == "M"

    cluster.edit_status(ticks=ticks)
    cluster.edit_spec(url="ftp://example.com")
    cluster.settle()
    assert cluster.ready["reason"] == "InvalidSpec"


def test_manual_run_without_a_tick_has_no_letter() -> None:
    cluster = Ticking(startingDeadlineSeconds=300)
    cluster.request_run("a")
    cluster.settle()
    cluster.now += timedelta(seconds=50)
    cluster.settle()
    assert len(cluster.status["history"]) == 1
    assert "ticks" not in cluster.status
