"""A schedule becomes one CronJob, which stays as the schedule asks."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from download_operator.cache.objects import parse_schedule
from download_operator.pod_resources import DEFAULTS
from download_schedule.model import Format
from tests.support.delayed_watch import empty_cache, reconcile_once
from tests.support.fake_kubelet import active_pod, start_run
from tests.support.operator_process import Operator, StartOperator
from tests.support.schedules import condition, schedule
from tests.support.write_audit import count_writes
from tools.cluster import LocalCluster
from tools.cluster.kubectl import Kubectl, RefusedError, wait_for

pytestmark = pytest.mark.usefixtures("operator")


def wait_until_ready(kubectl: Kubectl, name: str) -> dict[str, Any]:
    kubectl("wait", "--for=condition=Ready", f"dls/{name}", "--timeout=20s")
    resource: dict[str, Any] = kubectl.get("dls", name)
    return resource


def wait_for_reason(kubectl: Kubectl, name: str, reason: str) -> dict[str, Any]:
    def ready() -> dict[str, Any] | None:
        state = condition(kubectl.get("dls", name), "Ready")
        return state if state.get("reason") == reason else None

    return wait_for(f"{name} {reason}", ready)


def test_schedule_becomes_a_cron_job_with_three_retries(kubectl: Kubectl) -> None:
    kubectl.apply(schedule("report", schedule="0 2 * * *", timeZone="Europe/Berlin"))
    status = wait_until_ready(kubectl, "report")["status"]
    cron_job = kubectl.get("cronjob", "report")
    assert cron_job["spec"]["schedule"] == "0 2 * * *"
    assert cron_job["spec"]["timeZone"] == "Europe/Berlin"
    assert cron_job["spec"]["jobTemplate"]["spec"]["backoffLimit"] == 3
    assert status["observedGeneration"] == 1
    assert status["cronJobName"] == "report"
    assert status["nextRunTime"].endswith(":00:00Z")
    assert not condition({"status": status}, "Healthy")


def test_new_schedule_costs_two_writes_and_gets_no_finalizer(kubectl: Kubectl) -> None:
    before = count_writes(kubectl)
    kubectl.apply(schedule("report"))
    resource = wait_until_ready(kubectl, "report")
    assert count_writes(kubectl) - before == {
        ("POST", "downloadschedules"): 1,
        ("POST", "cronjobs"): 1,
        ("PUT", "downloadschedules/status"): 1,
    }
    assert "finalizers" not in resource["metadata"]


def test_edit_reaches_the_cron_job(kubectl: Kubectl) -> None:
    kubectl.apply(schedule("report"))
    wait_until_ready(kubectl, "report")
    kubectl.patch("dls", "report", {"spec": {"schedule": "5 4 * * *", "suspend": True}})
    wait_for_reason(kubectl, "report", "Suspended")
    cron_job = kubectl.get("cronjob", "report")
    assert cron_job["spec"]["schedule"] == "5 4 * * *"
    assert cron_job["spec"]["suspend"]
    status = kubectl.get("dls", "report")["status"]
    assert status["observedGeneration"] == 2
    assert "nextRunTime" not in status


@pytest.mark.parametrize(
    "command",
    [
        ("patch", "cronjob", "report", "--patch", json.dumps({"spec": {"suspend": True}})),
        ("label", "cronjob", "report", "downloads.dev/schedule-uid-"),
        ("annotate", "cronjob", "report", "downloads.dev/spec-hash=other", "--overwrite"),
        ("patch", "cronjob", "report", "--patch", '{"metadata": {"ownerReferences": null}}'),
        ("delete", "cronjob", "report"),
    ],
    ids=["edit", "label", "annotation", "owner", "deletion"],
)
def test_change_of_the_cron_job_by_hand_is_reverted(
    kubectl: Kubectl, command: tuple[str, ...]
) -> None:
    kubectl.apply(schedule("report"))
    wait_until_ready(kubectl, "report")
    label, annotation = "downloads.dev/schedule-uid", "downloads.dev/spec-hash"
    before = kubectl.get("cronjob", "report")

    def repaired() -> bool:
        current = kubectl.get("cronjob", "report")
        if current is None or current["spec"] != before["spec"]:
            return False
        metadata, expected = current["metadata"], before["metadata"]
        return bool(
            metadata.get("labels", {}).get(label) == expected["labels"][label]
            and metadata["annotations"].get(annotation) == expected["annotations"][annotation]
            and metadata.get("ownerReferences") == expected["ownerReferences"]
        )

    kubectl(*command)
    assert wait_for("the repair", repaired)


def test_cron_job_that_keeps_changing_is_written_at_most_every_five_seconds(
    kubectl: Kubectl,
) -> None:
    kubectl.apply(schedule("report"))
    wait_until_ready(kubectl, "report")
    before = count_writes(kubectl)
    until = time.monotonic() + 12
    while time.monotonic() < until:
        if not kubectl.get("cronjob", "report")["spec"]["suspend"]:
            kubectl.patch("cronjob", "report", {"spec": {"suspend": True}})
    repairs = (count_writes(kubectl) - before)["PUT", "cronjobs"]
    assert 1 <= repairs <= 3


def test_label_of_others_stays(kubectl: Kubectl) -> None:
    kubectl.apply(schedule("report"))
    wait_until_ready(kubectl, "report")
    kubectl("label", "cronjob", "report", "team=data")
    kubectl.patch("dls", "report", {"spec": {"suspend": True}})
    wait_for_reason(kubectl, "report", "Suspended")
    assert kubectl.get("cronjob", "report")["metadata"]["labels"]["team"] == "data"


def test_no_cron_job_is_created_for_the_predecessor_of_a_schedule(
    kubectl: Kubectl, operator: Operator, cluster: LocalCluster
) -> None:
    """The event of its CronJob's deletion may come before its own: here it is the only one."""
    kubectl.apply(schedule("report"))
    wait_until_ready(kubectl, "report")
    cache = empty_cache()
    cache.put_schedule(parse_schedule(kubectl.get("dls", "report")))
    kubectl("delete", "dls", "report")
    wait_for("its CronJob's deletion", lambda: not kubectl.list("cronjobs"))
    operator.stop()
    kubectl.apply(schedule("report"))
    reconcile_once(kubectl, cluster, cache, "report")
    (owner,) = kubectl.get("cronjob", "report")["metadata"]["ownerReferences"]
    assert owner["uid"] == kubectl.get("dls", "report")["metadata"]["uid"]


def test_cron_job_of_somebody_else_is_left_alone(kubectl: Kubectl) -> None:
    kubectl("create", "cronjob", "report", "--image=x", "--schedule=0 0 1 1 *")
    kubectl.apply(schedule("report"))
    ready = wait_for_reason(kubectl, "report", "NameTaken")
    assert ready["status"] == "False"
    assert "belongs to nobody" in ready["message"]
    assert kubectl.get("cronjob", "report")["metadata"]["generation"] == 1


def test_names_that_differ_after_52_characters_get_different_cron_jobs(
    kubectl: Kubectl,
) -> None:
    names = ["x" * 60 + "a", "x" * 60 + "b"]
    kubectl.apply(*(schedule(name) for name in names))
    cron_jobs = {wait_until_ready(kubectl, name)["status"]["cronJobName"] for name in names}
    assert len(cron_jobs) == 2
    assert all(len(name) == 52 for name in cron_jobs)


def test_name_of_another_schedules_cron_job_is_reported_and_used_once_it_is_free(
    kubectl: Kubectl,
) -> None:
    kubectl.apply(schedule("x" * 60))
    taken = wait_until_ready(kubectl, "x" * 60)["status"]["cronJobName"]
    kubectl.apply(schedule(taken))
    ready = wait_for_reason(kubectl, taken, "NameTaken")
    assert f"belongs to DownloadSchedule {'x' * 60}" in ready["message"]
    kubectl("delete", f"dls/{'x' * 60}")
    assert wait_until_ready(kubectl, taken)["status"]["cronJobName"] == taken


def test_quota_that_forbids_the_cron_job_is_reported(kubectl: Kubectl) -> None:
    kubectl("create", "quota", "none", "--hard=count/cronjobs.batch=0")
    wait_for("the quota", lambda: kubectl.get("quota", "none").get("status", {}).get("hard"))
    kubectl.apply(schedule("report"))
    ready = wait_for_reason(kubectl, "report", "CronJobRefused")
    assert "exceeded quota" in ready["message"]


def refusing_policy(namespace: str) -> list[dict[str, Any]]:
    """A policy that refuses CronJobs with an unusual status code."""
    name = f"none-in-{namespace}"
    group = "admissionregistration.k8s.io"
    selector = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    rule = {
        "apiGroups": ["batch"],
        "apiVersions": ["v1"],
        "operations": ["CREATE"],
        "resources": ["cronjobs"],
    }
    return [
        {
            "apiVersion": f"{group}/v1",
            "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": name},
            "spec": {
                "matchConstraints": {"resourceRules": [rule]},
                "validations": [
                    {
                        "expression": "false",
                        "message": "not in this cluster",
                        "reason": "RequestEntityTooLarge",
                    }
                ],
            },
        },
        {
            "apiVersion": f"{group}/v1",
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": name},
            "spec": {
                "policyName": name,
                "validationActions": ["Deny"],
                "matchResources": {"namespaceSelector": selector},
            },
        },
    ]


def absent_webhook(namespace: str) -> list[dict[str, Any]]:
    """A webhook for CronJobs at an address where nothing listens."""
    selector = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    webhook = {
        "name": "nobody.example.com",
        "clientConfig": {"url": "https://127.0.0.1:9/"},
        "rules": [
            {
                "apiGroups": ["batch"],
                "apiVersions": ["v1"],
                "operations": ["CREATE"],
                "resources": ["cronjobs"],
            }
        ],
        "namespaceSelector": selector,
        "failurePolicy": "Fail",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    return [
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": f"nobody-in-{namespace}"},
            "webhooks": [webhook],
        }
    ]


@pytest.mark.parametrize(
    ("admission", "sentence"),
    [(refusing_policy, "not in this cluster"), (absent_webhook, "failed calling webhook")],
)
def test_admission_that_refuses_the_cron_job_is_reported(
    kubectl: Kubectl, admission: Callable[[str], list[dict[str, Any]]], sentence: str
) -> None:
    manifests = admission(kubectl.namespace)

    def is_in_force() -> bool:
        try:
            kubectl("create", "cronjob", "x", "--image=x", "--schedule=@daily", "--dry-run=server")
        except RefusedError as error:
            return sentence in str(error)
        return False

    kubectl.apply(*manifests)
    try:
        wait_for("the admission", is_in_force)
        kubectl.apply(schedule("report"))
        ready = wait_for_reason(kubectl, "report", "CronJobRefused")
        assert sentence in ready["message"]
    finally:
        for manifest in manifests:
            kubectl("delete", manifest["kind"], manifest["metadata"]["name"])
    wait_for("the end of the admission", lambda: not is_in_force())
    kubectl.patch("dls", "report", {"spec": {"backoffLimit": 1}})
    wait_until_ready(kubectl, "report")


def test_deleting_the_schedule_deletes_everything(kubectl: Kubectl) -> None:
    kubectl.apply(schedule("report"))
    wait_until_ready(kubectl, "report")
    kubectl("create", "job", "now", "--from=cronjob/report")
    wait_for("a Pod", lambda: kubectl.list("pods"))
    kubectl("delete", "dls", "report")
    wait_for("an empty namespace", lambda: not kubectl.list("cronjobs,jobs,pods"))


def test_schedule_created_again_gets_a_cron_job_of_its_own(kubectl: Kubectl) -> None:
    kubectl.apply(schedule("report"))
    first = wait_until_ready(kubectl, "report")
    kubectl("delete", "dls", "report")
    kubectl.apply(schedule("report"))
    second = wait_until_ready(kubectl, "report")
    assert first["metadata"]["uid"] != second["metadata"]["uid"]
    owner = kubectl.get("cronjob", "report")["metadata"]["ownerReferences"][0]
    assert owner["uid"] == second["metadata"]["uid"]


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ({"schedule": "61 * * * *"}, "write 0-59"),
        ({"schedule": "0 2 * *"}, "schedule must have five fields"),
        ({"schedule": "0 0 * * 7"}, "0 is Sunday"),
        ({"schedule": "@every 5m"}, "write @hourly"),
        ({"url": "ftp://example.com/x"}, "url must start with http:// or https://"),
        ({"url": "https://me:pw@example.com/x"}, "send them in request.headers"),
        ({"timeZone": "Local"}, "write an IANA name"),
        ({"historyLimit": 101}, "less than or equal to 100"),
        ({"historyLimit": 0}, "greater than or equal to 1"),
        (
            {"destination": {"discard": {}, "volume": {"claimName": "data"}}},
            "write either volume, s3 or discard",
        ),
        ({"destination": {"volume": {"claimName": "data", "path": "/etc/x"}}}, "relative"),
        (
            {
                "destination": {
                    "s3": {
                        "bucket": "reports",
                        "credentialsSecretRef": {"name": "s3"},
                        "endpoint": "https://a\vb",
                    }
                }
            },
            "write for example https://s3.example.com",
        ),
        ({"nonsense": 1}, "unknown field"),
        ({"request": {"headers": [{"name": "Host", "value": "x"}]}}, "leave out Host"),
        (
            {"request": {"headers": [{"name": "A", "value": "1"}, {"name": "a", "value": "2"}]}},
            "named twice",
        ),
        ({"keepLast": 0}, "greater than or equal to 1"),
        ({"keepLast": 1}, "write destination.volume"),
        ({"onlyIfChanged": True, "destination": {"discard": {}}}, "write destination.volume"),
        ({"request": {"headers": [{"name": "A"}]}}, "either value or valueFrom"),
        (
            {
                "request": {
                    "headers": [
                        {
                            "name": "A",
                            "value": "1",
                            "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}},
                        }
                    ]
                }
            },
            "either value or valueFrom",
        ),
        ({"request": {"body": "x"}}, "write method: POST"),
        ({"request": {"method": "PUT"}}, "supported values"),
        ({"request": {"maxRedirects": 21}}, "less than or equal to 20"),
        ({"verify": {"sha256": "A" * 64}}, "64 lower-case hexadecimal digits"),
        ({"verify": {"minBytes": 2, "maxBytes": 1}}, "minBytes must not be greater"),
        ({"verify": {"contentTypes": ["text"]}}, "type/subtype"),
    ],
)
def test_invalid_spec_is_refused_by_the_api_server(
    kubectl: Kubectl, spec: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(RefusedError, match=sentence.replace("(", r"\(")):
        kubectl.apply(schedule("bad", **spec))


@pytest.mark.parametrize(
    "character",
    ["\x85", "\x9f", "\xa0", "\xad", "\u061c", "\u200b", "\u202e", "\u2028", "\u2066", "\u3000",
     "\ufeff", "\ue000", "\U000e0041"],
)  # fmt: skip
def test_path_with_an_invisible_character_is_refused_by_the_api_server(
    kubectl: Kubectl, character: str
) -> None:
    volume = {"claimName": "data", "path": f"a{character}b"}
    with pytest.raises(RefusedError, match=r"path must not contain .*; leave them out"):
        kubectl.apply(schedule("bad", destination={"volume": volume}))


def test_path_in_any_script_is_accepted(kubectl: Kubectl) -> None:
    for number, text in enumerate(
        ["a b", "\xa1\xae", "\u062a\u0642\u0631\u064a\u0631", "\u5831\u544a", "\U0001f4c8"]
    ):
        volume = {"claimName": "data", "path": f"{text}/{{filename}}"}
        kubectl.apply(schedule(f"good-{number}", destination={"volume": volume}))


def test_expression_that_never_fires_is_reported_in_the_condition(
    kubectl: Kubectl, operator: Operator
) -> None:
    kubectl.apply(schedule("never", schedule="0 0 31 2 *"))
    ready = wait_for_reason(kubectl, "never", "InvalidSpec")
    assert "never fire" in ready["message"]
    assert kubectl.get("cronjob", "never") is None
    assert not operator.has_logged("not settled")


def test_restart_with_nothing_changed_writes_nothing(kubectl: Kubectl, operator: Operator) -> None:
    kubectl.apply(*(schedule(f"s{number}") for number in range(20)))
    for number in range(20):
        wait_until_ready(kubectl, f"s{number}")

    def versions() -> list[str]:
        return [item["metadata"]["resourceVersion"] for item in kubectl.list("dls,cronjobs")]

    before = versions()
    operator.kill()
    operator.start_again()
    kubectl.apply(schedule("last"))
    wait_until_ready(kubectl, "last")
    kubectl("delete", "dls/last")
    wait_for("the last deletion", lambda: kubectl.get("cronjob", "last") is None)
    assert versions() == before


def test_changed_setting_reaches_existing_cron_jobs(
    kubectl: Kubectl, operator: Operator, start_operator: StartOperator
) -> None:
    kubectl.apply(schedule("report"))
    wait_until_ready(kubectl, "report")
    operator.stop()
    scheduling = {
        "nodeSelector": {"example.com/egress": "true"},
        "tolerations": [
            {"key": "egress", "value": "only", "effect": "NoExecute", "tolerationSeconds": 60},
            {"operator": "Exists", "effect": "NoSchedule"},
        ],
        "priorityClassName": "low",
    }
    start_operator(pod_scheduling=json.dumps(scheduling))

    def pod() -> dict[str, Any]:
        template = kubectl.get("cronjob", "report")["spec"]["jobTemplate"]["spec"]["template"]
        return {name: template["spec"].get(name) for name in scheduling}

    wait_for("the new setting", lambda: pod() == scheduling)
    assert condition(kubectl.get("dls", "report"), "Ready")["status"] == "True"


def test_api_server_takes_the_resources_of_every_format(
    kubectl: Kubectl, operator: Operator, start_operator: StartOperator
) -> None:
    operator.stop()
    more = {"text": {"requests": {"cpu": "0.5"}, "limits": {"memory": "1536Mi", "cpu": "2"}}}
    start_operator(pdf_image="worker-pdf:1", pod_resources=json.dumps(more))
    for file_format in Format:
        kubectl.apply(schedule(file_format, format=file_format))
        wait_until_ready(kubectl, file_format)

    def memory(file_format: Format) -> str:
        template = kubectl.get("cronjob", file_format)["spec"]["jobTemplate"]["spec"]["template"]
        (container,) = template["spec"]["containers"]
        return str(container["resources"]["limits"]["memory"])

    limits = {file_format: default.limits["memory"] for file_format, default in DEFAULTS.items()}
    assert {f: memory(f) for f in Format} == {**limits, Format.TEXT: "1536Mi"}


def test_pods_whose_user_is_left_to_the_cluster_are_restricted(
    kubectl: Kubectl, start_operator: StartOperator, operator: Operator
) -> None:
    operator.stop()
    start_operator(pod_run_as_user="", pod_fs_group="")
    restricted = "pod-security.kubernetes.io/enforce=restricted"
    kubectl("label", "namespace", kubectl.namespace, restricted)
    kubectl.apply(schedule("report", destination={"volume": {"claimName": "data"}}))
    wait_until_ready(kubectl, "report")

    start_run(kubectl, "report", "by-hand")

    pod = kubectl.get("pod", active_pod(kubectl, "by-hand"))
    isolation = pod["spec"]["securityContext"]
    assert isolation["runAsNonRoot"] is True
    assert not {"runAsUser", "runAsGroup", "fsGroup"} & isolation.keys()
    with pytest.raises(RefusedError, match="violates PodSecurity"):
        kubectl("run", "unrestricted", "--image=example.com/none:1")


def test_forbidden_path_stops_the_runs_of_an_earlier_version(
    kubectl: Kubectl, start_operator: StartOperator, operator: Operator
) -> None:
    """As after an upgrade of an operator that let schedules write anywhere."""
    volume = {"claimName": "data", "path": "{name}/latest.csv"}
    operator.stop()
    free = start_operator(free_paths="true")
    kubectl.apply(schedule("report", destination={"volume": volume}))
    wait_until_ready(kubectl, "report")
    free.stop()

    start_operator()
    ready = wait_for_reason(kubectl, "report", "InvalidSpec")
    assert "write {namespace}/{name}/latest.csv, or ask" in ready["message"]
    wait_for("the suspension", lambda: kubectl.get("cronjob", "report")["spec"]["suspend"])

    corrected = {**volume, "path": "{namespace}/{name}/latest.csv"}
    kubectl.patch("dls", "report", {"spec": {"destination": {"volume": corrected}}})
    wait_until_ready(kubectl, "report")
    assert not kubectl.get("cronjob", "report")["spec"]["suspend"]


def test_suspend_of_an_invalid_spec_is_honoured(kubectl: Kubectl) -> None:
    kubectl.apply(schedule("report"))
    wait_until_ready(kubectl, "report")
    kubectl.patch("dls", "report", {"spec": {"schedule": "0 0 31 2 *"}})
    ready = wait_for_reason(kubectl, "report", "InvalidSpec")
    assert "CronJob report still runs the previous spec" in ready["message"]
    kubectl.patch("dls", "report", {"spec": {"suspend": True}})
    wait_for("the suspension", lambda: kubectl.get("cronjob", "report")["spec"]["suspend"])
    wait_for(
        "the message",
        lambda: "is suspended" in condition(kubectl.get("dls", "report"), "Ready")["message"],
    )
    kubectl.patch("dls", "report", {"spec": {"schedule": "0 0 1 1 *", "suspend": False}})
    wait_until_ready(kubectl, "report")
    assert not kubectl.get("cronjob", "report")["spec"]["suspend"]
