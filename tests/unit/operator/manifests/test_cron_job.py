"""What a schedule's containers are told, and where secrets come from."""

import json
from dataclasses import replace
from typing import Any

import pytest

from download_operator.manifests.cron_job import desire
from download_operator.pod_scheduling import PodScheduling
from tests.unit.operator.objects import SETTINGS, desired, schedule_view

VALUE = {"name": "Accept", "value": "text/csv"}
SECRET = {"name": "Authorization", "valueFrom": {"secretKeyRef": {"name": "token", "key": "it"}}}


def pod_spec(**spec: Any) -> dict[str, Any]:
    pod: dict[str, Any] = desired(**spec).manifest["spec"]["jobTemplate"]["spec"]["template"][
        "spec"
    ]
    return pod


def environment(**spec: Any) -> dict[str, Any]:
    pod = pod_spec(**spec)
    (container,) = pod["containers"]
    return {entry["name"]: entry for entry in container["env"]}


def download(**spec: Any) -> Any:
    return json.loads(environment(**spec)["DOWNLOAD_SPEC"]["value"])


def test_the_worker_is_told_all_that_is_its_business() -> None:
    told = download(
        verify={"sha256": "a" * 64, "contentTypes": ["text/*"]},
        onlyIfChanged=True,
        keepLast=3,
        destination={"volume": {"claimName": "data", "path": "x"}},
        request={"method": "POST", "body": "{}", "headers": [VALUE]},
    )
    assert told["request"] == {
        "method": "POST",
        "body": "{}",
        "headers": [VALUE],
        "compressed": False,
        "connectTimeoutSeconds": 10,
        "stallTimeoutSeconds": 30,
        "maxRedirects": 5,
    }
    assert told["verify"] == {
        "sha256": "a" * 64,
        "minBytes": 0,
        "maxBytes": 10 * 1024**3,
        "contentTypes": ["text/*"],
    }
    assert told["onlyIfChanged"] is True
    assert told["keepLast"] == 3
    assert told["destination"] == {"volume": {"claimName": "data", "path": "x"}}
    assert download()["destination"] == {"discard": {}}


def test_a_header_from_a_secret_is_a_variable_that_the_kubelet_fills() -> None:
    variables = environment(request={"headers": [VALUE, SECRET]})
    told = json.loads(variables["DOWNLOAD_SPEC"]["value"])
    assert told["request"]["headers"][1] == {
        "name": "Authorization",
        "variable": "DOWNLOAD_HEADER_1",
    }
    reference = variables["DOWNLOAD_HEADER_1"]["valueFrom"]["secretKeyRef"]
    assert reference == {"name": "token", "key": "it"}


def test_a_dollar_sign_in_a_body_is_no_reference_to_a_variable() -> None:
    text = environment(request={"method": "POST", "body": "$(HOME)"})["DOWNLOAD_SPEC"]["value"]
    assert "$$(HOME)" in text


def test_files_on_a_volume_are_of_the_workers_group() -> None:
    kept = pod_spec(destination={"volume": {"claimName": "data"}})["securityContext"]
    assert kept["fsGroup"] == kept["runAsGroup"]
    assert "fsGroup" not in pod_spec()["securityContext"]


def test_the_image_is_pulled_with_what_the_registry_asks_for() -> None:
    settings = replace(SETTINGS, worker_image_pull_secrets=("registry", "mirror"))
    template = desire(schedule_view(), settings).manifest["spec"]["jobTemplate"]["spec"]["template"]
    assert template["spec"]["imagePullSecrets"] == [{"name": "registry"}, {"name": "mirror"}]
    assert "imagePullSecrets" not in pod_spec()


def test_downloads_run_where_whoever_runs_the_operator_says() -> None:
    scheduling = {
        "nodeSelector": {"example.com/egress": "true"},
        "tolerations": [{"key": "egress", "operator": "Exists"}],
        "priorityClassName": "low",
    }
    settings = replace(SETTINGS, pod_scheduling=PodScheduling.model_validate(scheduling))
    made = desire(schedule_view(), settings)
    template = made.manifest["spec"]["jobTemplate"]["spec"]["template"]
    assert template["spec"] == pod_spec() | scheduling
    assert made.spec_hash != desired().spec_hash


def test_where_nothing_is_said_the_cron_job_stays_as_it_is() -> None:
    empty = {"nodeSelector": {}, "tolerations": [], "priorityClassName": ""}
    settings = replace(SETTINGS, pod_scheduling=PodScheduling.model_validate(empty))
    assert desire(schedule_view(), settings).spec_hash == desired().spec_hash
    assert not empty.keys() & pod_spec().keys()


@pytest.mark.parametrize(
    "request_",
    [
        {"headers": [{"name": f"X-{n}", "value": "x" * 4096} for n in range(32)]},
        {"method": "POST", "body": "\U0001f4c8" * 16_384},
    ],
    ids=["headers", "body"],
)
def test_more_than_a_process_can_be_given_is_refused(request_: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="can be given to a download; shorten them"):
        desired(request=request_)
