"""Ticks on the real CronJob controller, by the real clock."""

import signal
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from download_schedule import cron
from tests.support.operator_process import Operator
from tests.support.schedules import schedule
from tools.cluster import LocalCluster
from tools.cluster.kubectl import Kubectl, wait_for

pytestmark = pytest.mark.usefixtures("operator")

PREDICTED = {"utc": ("* * * * *", "Etc/UTC"), "nepal": ("*/2 * * * *", "Asia/Kathmandu")}
"""Nepal is a quarter of an hour off, so that its even minutes are odd minutes in UTC."""


def now() -> datetime:
    return datetime.now(UTC)


def ticks_of_jobs(kubectl: Kubectl, name: str) -> list[datetime]:
    """Return the ticks for which the CronJob controller created Jobs of a schedule."""
    annotation = "batch.kubernetes.io/cronjob-scheduled-timestamp"
    return sorted(
        datetime.fromisoformat(job["metadata"]["annotations"][annotation]).astimezone(UTC)
        for job in kubectl.list("jobs")
        if job["metadata"]["ownerReferences"][0]["name"] == name
    )


def events(kubectl: Kubectl, name: str) -> list[dict[str, Any]]:
    selector = f"--field-selector=involvedObject.name={name},reason=TickMissed"
    return kubectl.list("events", selector)


def test_three_minutes_of_ticks_are_as_predicted(kubectl: Kubectl) -> None:
    """An edit and the end of a suspension start no run for an earlier tick."""
    started = now()
    past = (started - timedelta(minutes=2)).minute
    kubectl.apply(
        *(
            schedule(name, schedule=text, timeZone=zone, concurrencyPolicy="Allow")
            for name, (text, zone) in PREDICTED.items()
        ),
        schedule("forbid", schedule="* * * * *", startingDeadlineSeconds=10),
        schedule("edited"),
        schedule("sleeper", schedule="* * * * *", suspend=True, concurrencyPolicy="Allow"),
    )
    kubectl("wait", "--for=condition=Ready", "dls", "--all", "--timeout=120s")
    kubectl.patch("dls", "edited", {"spec": {"schedule": f"{past} * * * *"}})
    wait_for("two ticks", lambda: len(ticks_of_jobs(kubectl, "utc")) >= 2, timeout=150)
    assert ticks_of_jobs(kubectl, "sleeper") == []
    kubectl.patch("dls", "sleeper", {"spec": {"suspend": False}})
    resumed = now()
    wait_for("a third tick", lambda: len(ticks_of_jobs(kubectl, "utc")) >= 3, timeout=90)
    wait_for("the sleeper's first", lambda: ticks_of_jobs(kubectl, "sleeper"), timeout=20)
    for name, (text, zone) in PREDICTED.items():
        ticks = ticks_of_jobs(kubectl, name)
        assert ticks == cron.parse(text, zone).ticks_between(started, ticks[-1], 100), name
    assert ticks_of_jobs(kubectl, "edited") == []
    assert ticks_of_jobs(kubectl, "sleeper")[0] > resumed
    # The first run of `forbid` never ends: no node runs it.
    assert len(ticks_of_jobs(kubectl, "forbid")) == 1
    missed = wait_for("a missed tick", lambda: missed_ticks(kubectl, "forbid"), timeout=60)
    assert missed >= 1
    assert "was still active" in events(kubectl, "forbid")[0]["message"]
    assert "M" in letters(kubectl, "forbid")
    assert set(letters(kubectl, "sleeper")) >= {"S"}


def letters(kubectl: Kubectl, name: str) -> str:
    outcomes: str = kubectl.get("dls", name)["status"]["ticks"]["outcomes"]
    return outcomes


def missed_ticks(kubectl: Kubectl, name: str) -> int:
    counts: dict[str, int] = kubectl.get("dls", name)["status"].get("counts", {})
    return counts.get("missed", 0)


def test_tick_while_the_controllers_are_frozen_is_missed(
    kubectl: Kubectl, cluster: LocalCluster, operator: Operator
) -> None:
    """A run of the tick that people ask for meanwhile is the only one, also when they are back."""
    kubectl.apply(
        schedule("report", schedule="* * * * *", startingDeadlineSeconds=10),
        schedule("asked", schedule="* * * * *", concurrencyPolicy="Allow"),
    )
    kubectl("wait", "--for=condition=Ready", "dls", "--all", "--timeout=20s")
    time.sleep(max(0, 5 - now().second))  # not in the middle of a tick
    cluster.signal("kube-controller-manager", signal.SIGSTOP)
    try:
        wait_for("a missed tick", lambda: missed_ticks(kubectl, "report"), timeout=120)
        tick = now().replace(second=0, microsecond=0)
        request = [f"downloads.dev/run-tick={tick.isoformat()}", "downloads.dev/run-requested=a"]
        kubectl("annotate", "dls/asked", *request)
        wait_for("its run", lambda: ticks_of_jobs(kubectl, "asked") == [tick])
    finally:
        cluster.signal("kube-controller-manager", signal.SIGCONT)
    assert "within startingDeadlineSeconds" in events(kubectl, "report")[0]["message"]
    wait_for("a later tick", lambda: ticks_of_jobs(kubectl, "asked")[-1] > tick, timeout=90)
    assert ticks_of_jobs(kubectl, "asked").count(tick) == 1
