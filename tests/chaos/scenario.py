"""One storm: runs go on while the operator is killed, the API server restarted, watches cut."""

import asyncio
import random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from download_kube.client import KubeClient
from download_schedule.model import API_VERSION, KIND, PLURAL
from tests.chaos.connection_cutter import Cutter
from tests.chaos.faulty_proxy import Trouble
from tests.chaos.invariants import deviations, is_settled
from tests.chaos.runs import Runs, Steady
from tests.support.kubeconfig import detour_of, login_by
from tests.support.operator_process import Operator
from tools.cluster import LocalCluster

JSON = dict[str, Any]

IN_FLIGHT: Final = 16
CUT_SECONDS: Final = 0.15
SETTLE_SECONDS: Final = 120.0
SAY_SECONDS: Final = 5.0


@dataclass(frozen=True)
class Plan:
    """How hard it blows."""

    runs: int
    schedules: int
    kills: int
    restarts: int
    seed: int


@dataclass(frozen=True)
class Outcome:
    """What came of it."""

    runs: int
    kills: int
    restarts: int
    cuts: int
    troubles: dict[str, int]
    """Answers of the API server that were spoilt, by kind."""
    ends: int
    """How often the operator ended by itself: it had lost its Lease."""
    seconds: float
    wrong: list[str]


async def blow(plan: Plan, cluster: LocalCluster, namespace: str, folder: Path) -> Outcome:
    """Carry *plan* out in an empty namespace, with the operator's log in *folder*."""
    storm = _Storm(plan, cluster, namespace, folder)
    try:
        return await storm.blow()
    finally:
        await storm.close()


class _Storm:
    def __init__(self, plan: Plan, cluster: LocalCluster, namespace: str, folder: Path) -> None:
        self._plan = plan
        self._cluster = cluster
        self._namespace = namespace
        self._folder = folder
        self._dice = random.Random(plan.seed)
        self._done = self._killed = self._restarted = self._ended = 0
        self._begun = time.monotonic()

    async def blow(self) -> Outcome:
        await self._prepare()
        async with asyncio.TaskGroup() as tasks:
            background = [
                tasks.create_task(self._cutter.cut()),
                tasks.create_task(self._revive()),
                tasks.create_task(self._say()),
            ]
            troubles = [tasks.create_task(self._kill()), tasks.create_task(self._restart())]
            await self._run_all()
            await asyncio.gather(*troubles)
            wrong = await self._settle()
            for task in background:
                task.cancel()
        seconds = time.monotonic() - self._begun
        return Outcome(
            runs=self._done,
            kills=self._killed,
            restarts=self._restarted,
            cuts=self._cutter.cuts,
            troubles=dict(self._trouble.made),
            ends=self._ended,
            seconds=seconds,
            wrong=wrong,
        )

    async def close(self) -> None:
        await asyncio.to_thread(self._operator.stop)
        self._cutter.stop()
        await self._trouble.stop()
        await self._kube.close()

    async def _prepare(self) -> None:
        kubeconfig = self._cluster.kubeconfig
        login = login_by(kubeconfig)
        self._kube = KubeClient(login, "chaos", timeout_seconds=30)
        self._client = Steady(self._kube)
        self._runs = Runs(self._client, self._namespace, self._dice)
        self._trouble = Trouble(login(), self._dice)
        self._cutter = Cutter("127.0.0.1", await self._trouble.start(), self._dice, CUT_SECONDS)
        detour = detour_of(kubeconfig, await self._cutter.start(), self._folder)
        log = self._folder / "operator.log"
        log.touch()
        self._operator = await asyncio.to_thread(Operator, detour, log, namespaces=self._namespace)
        self._names = [f"s{number}" for number in range(self._plan.schedules)]
        for name in self._names:
            await self._client.request("POST", self._path(), _schedule(name))
        for name in self._names:
            while not (await self._status(name)).get("cronJobName"):
                await asyncio.sleep(0.1)

    async def _run_all(self) -> None:
        room = asyncio.Semaphore(IN_FLIGHT)

        async def one(number: int) -> None:
            async with room:
                await self._runs.run(self._names[number % len(self._names)], number)
                self._done += 1

        await asyncio.gather(*map(one, range(self._plan.runs)))

    async def _kill(self) -> None:
        """Kill -9 after equal numbers of runs, at a moment that depends on nothing."""
        for number in range(self._plan.kills):
            await self._wait_for((number + 0.5) / self._plan.kills)
            await asyncio.sleep(self._dice.uniform(0, 0.3))
            self._operator.kill()
            self._killed += 1
            self._operator.start_without_waiting()

    async def _revive(self) -> None:
        """Start what has ended by itself, as Kubernetes would."""
        while True:
            await asyncio.sleep(0.2)
            if self._operator.process.poll() is not None:
                self._operator.start_without_waiting()
                self._ended += 1

    async def _restart(self) -> None:
        for number in range(self._plan.restarts):
            await self._wait_for((number + 1) / (self._plan.restarts + 1))
            await asyncio.to_thread(self._cluster.restart, "kube-apiserver")
            self._restarted += 1

    async def _wait_for(self, share: float) -> None:
        while self._done < share * self._plan.runs:
            await asyncio.sleep(0.01)

    async def _settle(self) -> list[str]:
        """Wait until the operator has caught up, and a little longer; then judge."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < deadline:
            truth = self._runs.ledger
            statuses = {name: await self._status(name) for name in self._names}
            if all(is_settled(statuses[name], truth.get(name, ())) for name in self._names):
                break
            await asyncio.sleep(0.5)
        await asyncio.sleep(2)
        wrong: list[str] = []
        for name in self._names:
            wrong += deviations(name, await self._status(name), self._runs.ledger.get(name, ()))
        return wrong

    async def _say(self) -> None:
        while True:
            await asyncio.sleep(SAY_SECONDS)
            print(
                f"    {self._done} of {self._plan.runs} runs, "
                f"operator killed {self._killed} times, API server {self._restarted} times, "
                f"{self._cutter.cuts} connections cut",
                flush=True,
            )

    async def _status(self, name: str) -> JSON:
        resource = await self._client.request("GET", f"{self._path()}/{name}")
        status: JSON = resource.get("status", {})
        return status

    def _path(self) -> str:
        return f"/apis/{API_VERSION}/namespaces/{self._namespace}/{PLURAL}"


def _schedule(name: str) -> JSON:
    """Suspended: the only runs are ours. By the minute: a journal of a hundred Jobs."""
    spec = {
        "url": "https://example.com/x",
        "schedule": "* * * * *",
        "suspend": True,
        "historyLimit": 100,
    }
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": name}, "spec": spec}
