"""Statuses, Jobs and Pods of strangers: a plan comes of whatever the API server accepts.

An exception would end in the queue, and keep the schedule from being reconciled for good.
"""

from datetime import timedelta
from typing import Any

import jsonschema_rs
import yaml
from hypothesis import given
from hypothesis import strategies as st

from download_operator.cache.objects import parse_job, parse_pod
from tests.support.cluster_objects import job_manifest, pod_manifest
from tests.support.fake_cluster import FakeCluster
from tools.generate.manifests import CRD, REPOSITORY

INT32, INT64 = 2**31 - 1, 2**63 - 1
TIMES = st.sampled_from(
    [
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "1970-01-01T00:00:00Z",
        "2026-11-23T02:00:00Z",
        "2026-11-23T02:00:00.999999999+05:45",
        "9999-12-31T23:59:59Z",
        "9999-12-31T23:59:59-12:00",
        "2026-12-31T23:59:60Z",
    ]
)
"""The API server accepts all of them as date-time."""


def schema_of_status() -> dict[str, Any]:
    definition = yaml.safe_load((REPOSITORY / CRD).read_text())
    (version,) = definition["spec"]["versions"]
    schema: dict[str, Any] = version["schema"]["openAPIV3Schema"]["properties"]["status"]
    return schema


def conforming(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Return what the API server accepts for a schema."""
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    match schema["type"]:
        case "object":
            members = {n: conforming(s) for n, s in schema["properties"].items()}
            required = {n: members.pop(n) for n in schema.get("required", ())}
            return st.fixed_dictionaries(required, optional=members)
        case "array":
            keys = schema.get("x-kubernetes-list-map-keys")
            unique = (lambda item: item[keys[0]]) if keys else None
            return st.lists(conforming(schema["items"]), max_size=3, unique_by=unique)
        case "integer":
            least, most = schema.get("minimum", -INT64), schema.get("maximum", INT64)
            return st.sampled_from([least, least + 1, most])
        case "boolean":
            return st.booleans()
        case _ if schema.get("format") == "date-time":
            return TIMES
        case _:
            longest = "<" * schema.get("maxLength", 1024)
            usual = ["x", "job-1", "report-1", "Ready", "\x00\ud7ff", "a" * 64]
            fits = [t for t in usual if len(t) <= len(longest)]
            return st.sampled_from([longest, *fits, *([] if schema.get("minLength") else [""])])


SCHEMA = schema_of_status()
VALIDATOR = jsonschema_rs.validator_for(SCHEMA)


@given(status=conforming(SCHEMA), seconds=st.sampled_from([0, 3600, 10**7]))
def test_every_status_is_replaced_by_one_that_is_accepted(
    status: dict[str, Any], seconds: int
) -> None:
    cluster = FakeCluster()
    cluster.settle()
    cluster.job_event()
    cluster.job_event(number=2, ended="Failed", active=0)
    cluster.edit_status(**status)

    cluster.now += timedelta(seconds=seconds)
    cluster.settle()
    VALIDATOR.validate(cluster.status)


MEMBERS = {
    "exitCode": st.sampled_from([-INT32, -1, 0, 1, 255, INT32]),
    "count": st.sampled_from([0, 1, INT32]),
    "text": st.sampled_from(["", "<" * 10_000, "[" * 4000, '{"bytes":1e999}', "{}", "\x00\ud7ff"]),
}


@given(st.data())
def test_every_job_and_pod_gives_a_plan(data: st.DataObject) -> None:
    cluster = FakeCluster()
    cluster.settle()
    job = job_manifest(version=cluster.next_version())
    text = MEMBERS["text"]
    annotation = "batch.kubernetes.io/cronjob-scheduled-timestamp"
    job["metadata"]["annotations"][annotation] = data.draw(TIMES | text)
    job["metadata"]["annotations"]["downloads.dev/run-token"] = data.draw(text)
    job["metadata"]["creationTimestamp"] = data.draw(TIMES)
    kind = data.draw(st.sampled_from(["Complete", "Failed", "<"]))
    job["status"] = {
        "startTime": data.draw(TIMES),
        "completionTime": data.draw(TIMES),
        **{name: data.draw(MEMBERS["count"]) for name in ("active", "succeeded", "failed")},
        "conditions": [
            {
                "type": kind,
                "status": data.draw(st.sampled_from(["True", "False", "Unknown"])),
                "reason": data.draw(text),
                "message": data.draw(text),
                "lastTransitionTime": data.draw(TIMES | st.none()),
            }
        ]
        * data.draw(st.integers(0, 3)),
    }
    state = data.draw(
        st.fixed_dictionaries(
            {},
            optional={
                "terminated": st.fixed_dictionaries(
                    {"exitCode": MEMBERS["exitCode"], "reason": text, "message": text}
                ),
                "waiting": st.fixed_dictionaries({"reason": text, "message": text}),
                "running": st.just({}),
            },
        )
    )
    pod = pod_manifest(version=cluster.next_version())
    pod["metadata"]["creationTimestamp"] = data.draw(TIMES)
    pod["status"] = {
        "phase": data.draw(st.sampled_from(["Failed", "Pending", ""])),
        "reason": data.draw(text),
        "message": data.draw(text),
        "containerStatuses": [{"name": "download", "state": state}] * data.draw(st.integers(0, 3)),
    }

    cluster.cache.put_job(parse_job(job))
    cluster.cache.put_pod(parse_pod(pod))
    for seconds in (0, 60, 10**6):
        cluster.now += timedelta(seconds=seconds)
        cluster.settle()
        VALIDATOR.validate(cluster.status)
    job["metadata"]["resourceVersion"] = str(cluster.next_version())
    cluster.cache.remove_job(parse_job(job))
    cluster.settle()
    VALIDATOR.validate(cluster.status)
