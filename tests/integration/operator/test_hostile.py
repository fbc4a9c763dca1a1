"""Two thousand odd schedules: the API server refuses each, or its condition explains it."""

import asyncio
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest

from download_kube.client import KubeClient
from download_kube.errors import ApiError
from download_schedule.model import API_VERSION, KIND, PLURAL
from download_schedule.types import JSONObject
from tests.support.kubeconfig import login_by
from tests.support.operator_process import Operator
from tests.support.schedules import condition
from tools.cluster import LocalCluster

RESOURCES: Final = 2000
MAX_REQUESTS_AT_ONCE: Final = 16
MERGE_PATCH: Final = "application/merge-patch+json"
SEED: Final = 20261123
READY_SAMPLE: Final = re.compile(
    r'schedules{condition="Ready",reason="(?P<reason>\w+)",status="(?P<status>\w+)"} '
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


def _text(rng: Random, longest: int) -> str:
    alphabet = rng.choice(
        ["a", "aé日🚀", "\x00\x01\x1b[31m", "$(HOME)${X}`id`", "\u202e\ufeff\u0000"]
    )
    return "".join(rng.choices(alphabet, k=rng.choice([0, 1, 5, longest, longest + 1])))


def _number(rng: Random) -> Any:
    return rng.choice([-1, 0, 1, 3, 10, 100, 101, 604_800, 604_801, 2**31, 2**63, 1.5, "1", None])


def _headers(rng: Random) -> Any:
    def one() -> JSONObject:
        return {"name": rng.choice(["A", "a", "X-Y", "Host", _text(rng, 256)]), **value()}

    def value() -> JSONObject:
        return rng.choice(
            [
                {"value": "x" * 4096},
                {"value": _text(rng, 4096)},
                {"valueFrom": {"secretKeyRef": {"name": "none", "key": "k"}}},
                {"valueFrom": {"secretKeyRef": {"name": _text(rng, 253), "key": "../k"}}},
                {},
            ]
        )

    full = [{"name": f"X-{n}", "value": "x" * 4096} for n in range(32)]
    return rng.choice([[], full, [*full, {"name": "Y", "value": ""}], [one()], [one(), one()]])


ODD_VALUES: Final[dict[str, Callable[[Random], Any]]] = {
    "url": lambda rng: rng.choice(
        [
            "https://example.com/" + "x" * 2028,
            "https://example.com/" + "x" * 2029,
            "http://[::1]:99999/",
            "https://example.com/$(HOME)?a=%00",
            "HTTP://EXAMPLE.COM",
            "file:///etc/passwd",
            _text(rng, 2048),
            7,
        ]
    ),
    "schedule": lambda rng: rng.choice([*EXPRESSIONS, _text(rng, 1024)]),
    "timeZone": lambda rng: rng.choice(ZONES),
    "suspend": lambda rng: rng.choice([True, False, "true", 0]),
    "format": lambda rng: rng.choice(["raw", "RAW", "exe", ""]),
    "concurrencyPolicy": lambda rng: rng.choice(["Allow", "Forbid", "Replace", "forbid"]),
    "startingDeadlineSeconds": _number,
    "backoffLimit": _number,
    "activeDeadlineSeconds": _number,
    "historyLimit": _number,
    "request": lambda rng: rng.choice(
        [
            {"headers": _headers(rng)},
            {"method": "POST", "body": _text(rng, 16_384)},
            {"body": "x"},
            {"maxRedirects": _number(rng), "stallTimeoutSeconds": _number(rng)},
            {"headers": None},
            [],
        ]
    ),
    "verify": lambda rng: rng.choice(
        [
            {"minBytes": _number(rng), "maxBytes": _number(rng)},
            {"contentTypes": ["text/*"] * rng.choice([1, 2, 17])},
            {"sha256": _text(rng, 64)},
        ]
    ),
    "destination": lambda rng: rng.choice(
        [
            {"volume": {"claimName": "none", "path": _text(rng, 1024)}},
            {"volume": {"claimName": "none", "path": "../../{filename}"}},
            {"volume": {"claimName": _text(rng, 253)}},
            {"discard": {}, "volume": {"claimName": "x"}},
            {"discard": {"x": 1}},
            {},
        ]
    ),
    "nonsense": lambda _: {"a": [1] * 50},
}


def _spec(rng: Random) -> JSONObject:
    """A valid spec with up to three fields that have odd values."""
    names = rng.sample(sorted(ODD_VALUES), k=rng.randint(0, 3))
    valid = {"url": "https://example.com/x", "schedule": "0 2 * * *"}
    return {**valid, **{name: ODD_VALUES[name](rng) for name in names}}


def _name(rng: Random, number: int) -> str:
    longest = f"{'n' * 240}.{number:012d}"
    return rng.choice(
        [f"s{number}", f"{number}.a-b.c", longest, f"{'n' * 51}-{number}", f"S_{number}"]
    )


class BulkClient:
    """Sends many requests to the API server at once, and counts what it refuses."""

    def __init__(self, client: KubeClient, namespace: str) -> None:
        self.refused: Counter[int] = Counter()
        self.edited = 0
        self.accepted: dict[str, JSONObject] = {}
        self._client = client
        self._path = f"/apis/{API_VERSION}/namespaces/{namespace}/{PLURAL}"
        self._slots = asyncio.Semaphore(MAX_REQUESTS_AT_ONCE)

    async def create(self, name: str, spec: JSONObject) -> None:
        """Create one schedule."""
        manifest = {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": name}}
        await self._send("POST", self._path, {**manifest, "spec": spec})

    async def edit(self, name: str, spec: JSONObject) -> None:
        """Change the spec of an accepted schedule; the operator's writes do not conflict."""
        await self._send("PATCH", f"{self._path}/{name}", {"spec": spec}, MERGE_PATCH)

    async def _send(
        self, method: str, path: str, body: JSONObject, content_type: str = "application/json"
    ) -> None:
        async with self._slots:
            try:
                resource = await self._client.request(
                    method, path, body, {"fieldValidation": "Strict"}, content_type=content_type
                )
            except ApiError as error:
                self.refused[error.status] += 1
            else:
                self.edited += method == "PATCH"
                self.accepted[resource["metadata"]["name"]] = resource

    async def list_schedules(self) -> list[JSONObject]:
        items: list[JSONObject] = (await self._client.request("GET", self._path))["items"]
        return items


async def _create_and_edit(kubeconfig: Path, namespace: str) -> tuple[BulkClient, list[JSONObject]]:
    """Create all schedules, edit some, and wait until the operator has reported on each."""
    client = KubeClient(login_by(kubeconfig), "test", timeout_seconds=30)
    try:
        rng = Random(SEED)
        bulk = BulkClient(client, namespace)
        await asyncio.gather(*(bulk.create(_name(rng, n), _spec(rng)) for n in range(RESOURCES)))
        edits = [(name, _spec(rng)) for name in list(bulk.accepted)[::3]]
        await asyncio.gather(*(bulk.edit(name, spec) for name, spec in edits))
        async with asyncio.timeout(120):
            while not all(map(_is_observed, items := await bulk.list_schedules())):
                await asyncio.sleep(0.5)
        return bulk, items
    finally:
        await client.close()


def _is_observed(resource: JSONObject) -> bool:
    generation = resource["metadata"]["generation"]
    return bool(resource.get("status", {}).get("observedGeneration") == generation)


@pytest.mark.timeout(300)
def test_every_odd_schedule_is_refused_or_explained_by_its_condition(
    own_cluster: LocalCluster, tmp_path: Path
) -> None:
    operator = Operator(own_cluster.kubeconfig, tmp_path / "operator.log")
    operator.wait_until_working()
    try:
        bulk, items = asyncio.run(_create_and_edit(own_cluster.kubeconfig, "default"))
        health, metrics = operator.get("/healthz"), operator.get("/metrics")
        assert operator.process.poll() is None
    finally:
        assert operator.stop() == 0

    assert health.status_code == 200
    assert set(bulk.refused) <= {400, 422}
    assert bulk.edited > RESOURCES / 50
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
    counts = {
        (match["status"], match["reason"]): int(match["number"])
        for match in READY_SAMPLE.finditer(metrics.text)
    }
    assert counts == reasons
    errors = re.search(r'reconciles_total{result="error"} (\d+)', metrics.text)
    assert errors
    assert int(errors[1]) == log.count("failed, trying again in")
