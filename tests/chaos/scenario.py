"""One scenario: runs go on while the operator is killed, the API server restarted, watches cut."""

import asyncio
import random
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from download_kube.client import KubeClient
from download_kube.paths import SCHEDULES, collection, schedule_path
from download_schedule.model import API_VERSION, KIND, PLURAL
from download_schedule.types import JSONObject
from tests.chaos.connection_cutter import ConnectionCutter
from tests.chaos.faulty_proxy import FaultyProxy
from tests.chaos.invariants import is_settled, violations
from tests.chaos.simulated_runs import PersistentClient, SimulatedRuns
from tests.support.kubeconfig import detour_of, login_by
from tests.support.operator_process import Operator
from tools.cluster import LocalCluster

MAX_RUNS_AT_ONCE: Final = 16
CUT_SECONDS: Final = 0.15
SETTLE_SECONDS: Final = 120.0
PROGRESS_SECONDS: Final = 5.0


@dataclass(frozen=True)
class Scenario:
    """How much happens."""

    runs: int
    schedules: int
    kills: int
    restarts: int
    seed: int


@dataclass(frozen=True)
class Outcome:
    """What happened, and what went wrong."""

    runs: int
    kills: int
    restarts: int
    cuts: int
    faults: dict[str, int]
    """Spoilt responses of the API server, by kind."""
    exits: int
    """How often the operator ended by itself, because it had lost its Lease."""
    seconds: float
    violations: list[str]


async def run_scenario(
    scenario: Scenario, cluster: LocalCluster, namespace: str, folder: Path
) -> Outcome:
    """Run a scenario in an empty namespace, with the operator's log in *folder*."""
    running = _RunningScenario(scenario, cluster, namespace, folder)
    try:
        return await running.run()
    finally:
        await running.close()


class _RunningScenario:
    def __init__(
        self, scenario: Scenario, cluster: LocalCluster, namespace: str, folder: Path
    ) -> None:
        self._scenario = scenario
        self._cluster = cluster
        self._namespace = namespace
        self._folder = folder
        self._rng = random.Random(scenario.seed)
        self._names = [f"s{number}" for number in range(scenario.schedules)]
        self._ended_runs = self._kills = self._restarts = self._exits = 0
        self._started_at = time.monotonic()
        rounds = timedelta(minutes=scenario.runs // scenario.schedules + 1)
        self._first_tick = datetime.now(UTC).replace(second=0, microsecond=0) - rounds
        """Every run is of a tick that has passed, so that the ledger has all of them."""

    async def run(self) -> Outcome:
        await self._prepare()
        async with asyncio.TaskGroup() as tasks:
            background = [
                tasks.create_task(self._cutter.cut()),
                tasks.create_task(self._start_ended_operator()),
                tasks.create_task(self._print_progress()),
            ]
            disturbances = [
                tasks.create_task(self._kill_operator()),
                tasks.create_task(self._restart_api_server()),
            ]
            await self._run_all()
            await asyncio.gather(*disturbances)
            sentences = await self._check()
            for task in background:
                task.cancel()
        return Outcome(
            runs=self._ended_runs,
            kills=self._kills,
            restarts=self._restarts,
            cuts=self._cutter.cuts,
            faults=dict(self._proxy.faults),
            exits=self._exits,
            seconds=time.monotonic() - self._started_at,
            violations=sentences,
        )

    async def close(self) -> None:
        await asyncio.to_thread(self._operator.stop)
        self._cutter.stop()
        await self._proxy.stop()
        await self._kube.close()

    async def _prepare(self) -> None:
        """Start an operator behind the cutter and the proxy, and create the schedules."""
        kubeconfig = self._cluster.kubeconfig
        login = login_by(kubeconfig)
        self._kube = KubeClient(login, "chaos", timeout_seconds=30)
        self._client = PersistentClient(self._kube)
        self._runs = SimulatedRuns(self._client, self._namespace, self._rng)
        self._proxy = FaultyProxy(login(), self._rng)
        proxy_port = await self._proxy.start()
        self._cutter = ConnectionCutter("127.0.0.1", proxy_port, self._rng, CUT_SECONDS)
        detour = detour_of(kubeconfig, await self._cutter.start(), self._folder)
        log = self._folder / "operator.log"
        self._operator = await asyncio.to_thread(Operator, detour, log, namespaces=self._namespace)
        path = collection(SCHEDULES, self._namespace, PLURAL)
        for name in self._names:
            await self._client.request("POST", path, _schedule(name))
        for name in self._names:
            while not (await self._status(name)).get("cronJobName"):
                await asyncio.sleep(0.1)

    async def _run_all(self) -> None:
        slots = asyncio.Semaphore(MAX_RUNS_AT_ONCE)

        async def run_one(number: int) -> None:
            round_, place = divmod(number, len(self._names))
            async with slots:
                tick = self._first_tick + timedelta(minutes=round_)
                await self._runs.run(self._names[place], number, tick)
                self._ended_runs += 1

        await asyncio.gather(*map(run_one, range(self._scenario.runs)))

    async def _kill_operator(self) -> None:
        """Send SIGKILL after equal numbers of runs, at a random moment."""
        for number in range(self._scenario.kills):
            await self._wait_for_share((number + 0.5) / self._scenario.kills)
            await asyncio.sleep(self._rng.uniform(0, 0.3))
            self._operator.kill()
            self._kills += 1
            self._operator.start_without_waiting()

    async def _start_ended_operator(self) -> None:
        """Start an operator that ended by itself, as Kubernetes would."""
        while True:
            await asyncio.sleep(0.2)
            if self._operator.process.poll() is not None:
                self._operator.start_without_waiting()
                self._exits += 1

    async def _restart_api_server(self) -> None:
        for number in range(self._scenario.restarts):
            await self._wait_for_share((number + 1) / (self._scenario.restarts + 1))
            await asyncio.to_thread(self._cluster.restart, "kube-apiserver")
            self._restarts += 1

    async def _wait_for_share(self, share: float) -> None:
        """Wait until this share of the runs has ended."""
        while self._ended_runs < share * self._scenario.runs:
            await asyncio.sleep(0.01)

    async def _check(self) -> list[str]:
        """Wait until the operator has caught up, and a little longer; return all violations."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < deadline and not await self._is_settled():
            await asyncio.sleep(0.5)
        await asyncio.sleep(2)
        sentences: list[str] = []
        for name in self._names:
            ends = self._runs.ends.get(name, ())
            sentences += violations(name, await self._status(name), ends)
        return sentences

    async def _is_settled(self) -> bool:
        statuses = {name: await self._status(name) for name in self._names}
        ends = self._runs.ends
        return all(is_settled(statuses[name], ends.get(name, ())) for name in self._names)

    async def _print_progress(self) -> None:
        while True:
            await asyncio.sleep(PROGRESS_SECONDS)
            print(
                f"    {self._ended_runs} of {self._scenario.runs} runs, "
                f"operator killed {self._kills} times, API server restarted {self._restarts} "
                f"times, {self._cutter.cuts} connections cut",
                flush=True,
            )

    async def _status(self, name: str) -> JSONObject:
        resource = await self._client.request("GET", schedule_path(self._namespace, name))
        status: JSONObject = resource.get("status", {})
        return status


def _schedule(name: str) -> JSONObject:
    """Return a schedule whose only runs are ours, and which keeps a hundred Jobs."""
    spec = {
        "url": "https://example.com/x",
        "schedule": "* * * * *",
        "suspend": True,
        "historyLimit": 100,
    }
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": name}, "spec": spec}
