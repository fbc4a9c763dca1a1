"""A run asked for by annotation: one for each token, whatever happens in between."""

from datetime import timedelta

from download_operator.planning.actions import StartRun, StopRun, Wait, WriteStatus
from download_operator.planning.plan import plan
from download_schedule.model import MAX_RUN_REQUESTS
from tests.unit.operator.world import KEY, World


def jobs(world: World) -> list[str]:
    snapshot = world.picture.snapshot(KEY)
    assert snapshot
    return [run.job.name for run, _ in snapshot.runs]


def started(world: World) -> int:
    return sum(isinstance(action, StartRun) for action in world.settle())


def ready(**spec: object) -> World:
    world = World(**spec)
    world.settle()
    return world


def test_a_token_starts_one_run_from_the_template() -> None:
    world = ready()
    world.ask_for_a_run("a")
    action = world.decide()
    assert isinstance(action, StartRun)
    assert action.manifest["spec"] == world.wanted["spec"]["jobTemplate"]["spec"]
    assert action.manifest["metadata"]["ownerReferences"][0]["uid"] == "cron-job-uid"
    assert started(world) == 1
    world.now += timedelta(minutes=1)
    assert started(world) == 0
    assert world.run["trigger"] == "Manual"
    assert world.run["token"] == "a"
    assert len(world.status["runRequests"]) == 1


def test_another_token_is_another_run() -> None:
    world = ready(concurrencyPolicy="Allow")
    for token in "ab":
        world.ask_for_a_run(token)
        assert started(world) == 1
    assert len(set(jobs(world))) == 2


def test_a_token_of_long_ago_starts_nothing() -> None:
    world = ready(concurrencyPolicy="Allow")
    for token in "ab":
        world.ask_for_a_run(token)
        world.settle()
    world.ask_for_a_run("a")
    assert started(world) == 0


def test_the_hundred_last_tokens_are_remembered() -> None:
    world = ready(concurrencyPolicy="Allow")
    for number in range(MAX_RUN_REQUESTS + 1):
        world.ask_for_a_run(str(number))
        assert started(world) == 1
    assert len(world.status["runRequests"]) == MAX_RUN_REQUESTS


def test_a_restart_between_job_and_status_starts_no_second_one() -> None:
    """The Job's name comes from the token, so that Kubernetes refuses the second one."""
    world = ready()
    world.ask_for_a_run("a")
    first = world.decide()
    world.forget()
    world.apply_cron_job(world.wanted)
    assert isinstance(first, StartRun)
    second = world.decide()
    assert isinstance(second, StartRun)
    assert first.manifest == second.manifest


def test_the_same_token_on_a_schedule_made_anew_is_another_job() -> None:
    world, names = ready(), []
    for uid in ("one", "two"):
        world.manifest["metadata"]["uid"] = uid
        world.desired = None
        world.forget()
        world.settle()
        world.ask_for_a_run("a")
        world.settle()
        names += jobs(world)
    assert len(set(names)) == 2


def test_forbid_waits_for_the_run_that_is_going() -> None:
    world = ready(concurrencyPolicy="Forbid")
    world.job(number=1)
    world.settle()
    world.ask_for_a_run("a")
    assert started(world) == 0
    world.pod(job=1, exit_code=0, message="{}")
    world.job(number=1, ended="Complete")
    assert started(world) == 1


def test_replace_stops_the_run_that_is_going() -> None:
    world = ready(concurrencyPolicy="Replace")
    world.job(number=1)
    world.settle()
    world.ask_for_a_run("a")
    kinds = [type(action) for action in world.settle()]
    assert kinds[:2] == [StopRun, StartRun]
    assert set(kinds[2:]) <= {WriteStatus}


def test_allow_runs_beside() -> None:
    world = ready(concurrencyPolicy="Allow")
    world.job(number=1)
    world.settle()
    world.ask_for_a_run("a")
    assert started(world) == 1


def test_a_suspended_schedule_still_runs_when_asked() -> None:
    world = ready(suspend=True)
    world.ask_for_a_run("a")
    assert started(world) == 1


def test_no_token_is_no_request() -> None:
    world = ready()
    assert isinstance(world.decide(), Wait)
    world.ask_for_a_run("")
    assert isinstance(world.decide(), Wait)


def test_a_long_token_is_shown_in_part_and_told_apart_in_whole() -> None:
    world = ready(concurrencyPolicy="Allow")
    for end in "ab":
        world.ask_for_a_run("x" * 200 + end)
        assert started(world) == 1
    world.now += timedelta(minutes=1)
    world.settle()
    assert world.run["token"] == "x" * 128


def test_a_run_that_was_refused_keeps_nothing_from_being_told() -> None:
    world = ready(concurrencyPolicy="Allow")
    world.ask_for_a_run("a")
    world.pod(exit_code=20)
    world.job(ended="Failed")
    assert isinstance(world.decide(), StartRun)
    snapshot = world.picture.snapshot(KEY)
    assert snapshot
    assert world.desired
    action = plan(snapshot, world.desired, world.now, may_start=False)
    assert isinstance(action, WriteStatus)
    assert action.status["counts"]["failed"] == 1
