"""What Prometheus reads from the parts of an operator."""

import asyncio

from download_operator import metrics
from download_operator.cache.objects import parse_schedule
from tests.support.operator_parts import Parts, run_with_parts

EVERY_METRIC = {
    "reconciles_total": "counter",
    "queue_length": "gauge",
    "oldest_reconcile_seconds": "gauge",
    "api_requests_total": "counter",
    "watch_failures_total": "counter",
    "watch_objects_skipped_total": "counter",
    "watch_silence_seconds": "gauge",
    "leader": "gauge",
    "schedules": "gauge",
}


def rendered(parts: Parts) -> str:
    return metrics.render(parts.monitor).decode()


def test_every_metric_is_there_with_its_type_and_nothing_else() -> None:
    async def test(parts: Parts) -> None:
        lines = [line for line in rendered(parts).splitlines() if line.startswith("# TYPE ")]
        types = dict(line.removeprefix("# TYPE download_operator_").split() for line in lines)
        assert types == EVERY_METRIC

    run_with_parts(test)


def test_operator_at_rest_reports_zero() -> None:
    async def test(parts: Parts) -> None:
        text = rendered(parts)
        assert "download_operator_leader 0.0\n" in text
        assert "download_operator_oldest_reconcile_seconds 0.0\n" in text
        assert 'download_operator_watch_silence_seconds{path="/api/v1/pods"} 0.0\n' in text

    run_with_parts(test)


def test_reconciles_are_counted_by_result() -> None:
    done = asyncio.Event()

    async def handle(key: str) -> None:
        if key == "last":
            done.set()
        elif key == "bad":
            raise OSError("no")

    async def test(parts: Parts) -> None:
        for key in ("good", "bad", "last"):
            parts.queue.add(key)
        assert "download_operator_queue_length 3.0\n" in rendered(parts)

        worker = asyncio.create_task(parts.queue.work())
        await done.wait()
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)

        text = rendered(parts)
        assert 'download_operator_reconciles_total{result="error"} 1.0\n' in text
        assert 'download_operator_reconciles_total{result="success"} 2.0\n' in text

    run_with_parts(test, handle)


def test_requests_are_counted_by_method_and_status() -> None:
    async def test(parts: Parts) -> None:
        parts.client.responses["PUT", 409] += 2
        sample = 'download_operator_api_requests_total{code="409",method="PUT"} 2.0\n'
        assert sample in rendered(parts)

    run_with_parts(test)


def test_schedules_are_counted_by_condition_and_reasons_are_escaped() -> None:
    async def test(parts: Parts) -> None:
        parts.cluster.settle()
        status = parts.cluster.status
        condition = {**status["conditions"][0], "reason": 'a"b\\c\nd'}
        parts.cluster.store_status({**status, "conditions": [condition]})
        parts.cluster.cache.put_schedule(parse_schedule(parts.cluster.manifest))

        labels = 'condition="Ready",reason="a\\"b\\\\c\\nd",status="True"'
        assert f"download_operator_schedules{{{labels}}} 1.0\n" in rendered(parts)

    run_with_parts(test)
