"""Two thousand schedules nobody would write: refused at the door, or clear in their condition."""

import asyncio
import random
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from download_kube.client import ApiError, KubeClient
from download_schedule.model import API_VERSION, KIND, PLURAL
from tests.support.kubeconfig import login_by
from tests.support.operator_process import Operator
from tests.support.schedules import condition
from tools.cluster import LocalCluster

Dice = random.Random
JSON = dict[str, Any]

RESOURCES: Final = 2000
IN_FLIGHT: Final = 16
MERGE: Final = "application/merge-patch+json"
SEED: Final = 20261123
READY_SAMPLE: Final = re.compile(
    r'schedules{condition="Ready",status="(?P<status>\w+)",reason="(?P<reason>\w+)"} '
    r"(?P<number>\d+)"
)
EXPRESSIONS: Final = (
    "* * * * *",
    "0 0 31 2 *",
    "0 0 29 2 *",
    "H H * * *",
    "H(0-7) * * * *",
    "@hourly",
    "@every 1s",
    "TZ=UTC 0 0 * * *",
    "0 0 * * 7",
    "0 0 * * SUN-SAT",
    "*/0 * * * *",
    "60 * * * *",
    "? ? ? ? ?",
    "0 0 * * * *",
    "\t0\v0\f* * *",
    "00000000000000000000000000001 * * * *",
    "99999999999999999999999 * * * *",
    ",".join(map(str, range(60))) + " * * * *",
    "1-59/2,*/3,5-5 0-23/1 ? JAN-DEC MON#1",
)
ZONES: Final = (
    "Etc/UTC",
    "Europe/Berlin",
    "Local",
    "Mars/Olympus",
    "Pacific/Apia",
    "../etc/passwd",
)


def _text(dice: Dice, longest: int) -> str:
    alphabet = dice.choice(
        ["a", "aé日🚀", "\x00\x01\x1b[31m", "$(HOME)${X}`id`", "\u202e\ufeff\u0000"]
    )
    return "".join(dice.choices(alphabet, k=dice.choice([0, 1, 5, longest, longest + 1])))


def _number(dice: Dice) -> Any:
    return dice.choice([-1, 0, 1, 3, 10, 100, 101, 604_800, 604_801, 2**31, 2**63, 1.5, "1", None])


def _headers(dice: Dice) -> Any:
    def one() -> JSON:
        return {"name": dice.choice(["A", "a", "X-Y", "Host", _text(dice, 256)]), **value()}

    def value() -> JSON:
        return dice.choice(
            [
                {"value": "x" * 4096},
                {"value": _text(dice, 4096)},
                {"valueFrom": {"secretKeyRef": {"name": "none", "key": "k"}}},
                {"valueFrom": {"secretKeyRef": {"name": _text(dice, 253), "key": "../k"}}},
                {},
            ]
        )

    full = [{"name": f"X-{n}", "value": "x" * 4096} for n in range(32)]
    return dice.choice([[], full, [*full, {"name": "Y", "value": ""}], [one()], [one(), one()]])


MEMBERS: Final[dict[str, Callable[[Dice], Any]]] = {
    "url": lambda dice: dice.choice(
        [
            "https://example.com/" + "x" * 2028,
            "https://example.com/" + "x" * 2029,
            "http://[::1]:99999/",
            "https://example.com/$(HOME)?a=%00",
            "HTTP://EXAMPLE.COM",
            "file:///etc/passwd",
            _text(dice, 2048),
            7,
        ]
    ),
    "schedule": lambda dice: dice.choice([*EXPRESSIONS, _text(dice, 1024)]),
    "timeZone": lambda dice: dice.choice(ZONES),
    "suspend": lambda dice: dice.choice([True, False, "true", 0]),
    "format": lambda dice: dice.choice(["raw", "RAW", "exe", ""]),
    "concurrencyPolicy": lambda dice: dice.choice(["Allow", "Forbid", "Replace", "forbid"]),
    "startingDeadlineSeconds": _number,
    "backoffLimit": _number,
    "activeDeadlineSeconds": _number,
    "historyLimit": _number,
    "request": lambda dice: dice.choice(
        [
            {"headers": _headers(dice)},
            {"method": "POST", "body": _text(dice, 16_384)},
            {"body": "x"},
            {"maxRedirects": _number(dice), "stallTimeoutSeconds": _number(dice)},
            {"headers": None},
            [],
        ]
    ),
    "verify": lambda dice: dice.choice(
        [
            {"minBytes": _number(dice), "maxBytes": _number(dice)},
            {"contentTypes": ["text/*"] * dice.choice([1, 2, 17])},
            {"sha256": _text(dice, 64)},
        ]
    ),
    "destination": lambda dice: dice.choice(
        [
            {"volume": {"claimName": "none", "path": _text(dice, 1024)}},
            {"volume": {"claimName": "none", "path": "../../{filename}"}},
            {"volume": {"claimName": _text(dice, 253)}},
            {"discard": {}, "volume": {"claimName": "x"}},
            {"discard": {"x": 1}},
            {},
        ]
    ),
    "nonsense": lambda _: {"a": [1] * 50},
}


def _spec(dice: Dice) -> JSON:
    """A good spec with up to three members that are something else."""
    odd = dice.sample(sorted(MEMBERS), k=dice.randint(0, 3))
    good = {"url": "https://example.com/x", "schedule": "0 2 * * *"}
    return {**good, **{name: MEMBERS[name](dice) for name in odd}}


def _name(dice: Dice, number: int) -> str:
    longest = f"{'n' * 240}.{number:012d}"
    return dice.choice(
        [f"s{number}", f"{number}.a-b.c", longest, f"{'n' * 51}-{number}", f"S_{number}"]
    )


class Door:
    """The API server, asked for many things at a time."""

    def __init__(self, client: KubeClient, namespace: str) -> None:
        self.refused: Counter[int] = Counter()
        self.edited = 0
        self.accepted: dict[str, JSON] = {}
        self._client = client
        self._path = f"/apis/{API_VERSION}/namespaces/{namespace}/{PLURAL}"
        self._room = asyncio.Semaphore(IN_FLIGHT)

    async def make(self, name: str, spec: JSON) -> None:
        """Apply one resource."""
        manifest = {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": name}}
        await self._send("POST", self._path, {**manifest, "spec": spec})

    async def edit(self, name: str, spec: JSON) -> None:
        """Change the spec of one that was accepted; no write of the operator's is in the way."""
        await self._send("PATCH", f"{self._path}/{name}", {"spec": spec}, MERGE)

    async def _send(
        self, method: str, path: str, body: JSON, content_type: str = "application/json"
    ) -> None:
        async with self._room:
            try:
                made = await self._client.request(
                    method, path, body, {"fieldValidation": "Strict"}, content_type=content_type
                )
            except ApiError as error:
                self.refused[error.status] += 1
            else:
                self.edited += method == "PATCH"
                self.accepted[made["metadata"]["name"]] = made

    async def all(self) -> list[JSON]:
        items: list[JSON] = (await self._client.request("GET", self._path))["items"]
        return items


async def _throw(kubeconfig: Path, namespace: str) -> tuple[Door, list[JSON]]:
    client = KubeClient(login_by(kubeconfig), "test", timeout_seconds=30)
    try:
        dice = Dice(SEED)
        door = Door(client, namespace)
        await asyncio.gather(*(door.make(_name(dice, n), _spec(dice)) for n in range(RESOURCES)))
        edits = [(name, _spec(dice)) for name in list(door.accepted)[::3]]
        await asyncio.gather(*(door.edit(name, spec) for name, spec in edits))
        async with asyncio.timeout(120):
            while not all(map(_is_judged, items := await door.all())):
                await asyncio.sleep(0.5)
        return door, items
    finally:
        await client.close()


def _is_judged(resource: JSON) -> bool:
    generation = resource["metadata"]["generation"]
    return bool(resource.get("status", {}).get("observedGeneration") == generation)


@pytest.mark.timeout(300)
def test_each_is_refused_at_the_door_or_clear_in_its_condition(
    own_cluster: LocalCluster, tmp_path: Path
) -> None:
    log_file = tmp_path / "operator.log"
    log_file.touch()
    operator = Operator(own_cluster.kubeconfig, log_file)
    operator.wait_until_working()
    try:
        door, items = asyncio.run(_throw(own_cluster.kubeconfig, "default"))
        health, metrics = operator.ask("/healthz"), operator.ask("/metrics")
        assert operator.process.poll() is None
    finally:
        assert operator.stop() == 0
    assert health.status_code == 200
    assert set(door.refused) <= {400, 422}
    assert door.edited > RESOURCES / 50
    assert len(items) > RESOURCES / 10
    reasons = Counter(
        (ready["status"], ready["reason"]) for ready in (condition(i, "Ready") for i in items)
    )
    assert set(reasons) <= {
        ("True", "Scheduled"),
        ("True", "Suspended"),
        ("False", "InvalidSpec"),
        ("False", "CronJobRefused"),
    }
    assert reasons["True", "Scheduled"] > reasons["False", "CronJobRefused"]
    for item in items:
        assert condition(item, "Ready")["message"]
    log = operator.log.read_text()
    assert "Traceback" not in log
    assert "not settled" not in log
    assert log.count(" ERROR ") == 0
    counted = {
        (found["status"], found["reason"]): int(found["number"])
        for found in READY_SAMPLE.finditer(metrics.text)
    }
    assert counted == reasons
    errors = re.search(r'reconciles_total{result="error"} (\d+)', metrics.text)
    assert errors
    assert int(errors[1]) == log.count("failed, next attempt in")
