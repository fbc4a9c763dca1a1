"""What a download's container receives, where secrets come from, and where its Pod runs."""

import json
import re
from typing import Any

import pytest

from download_operator.manifests.cron_job import ScheduleRefusedError, build_desired_state
from download_operator.pod_egress import PodEgress
from download_operator.pod_resources import DEFAULTS, Resources, with_defaults
from download_operator.pod_scheduling import PodScheduling
from download_schedule.model import Destination, Format
from tests.support.cluster_objects import SETTINGS, desired_state, schedule_object

PATH = "{namespace}/{name}/{filename}"
ON_CLAIM = {"volume": {"claimName": "data"}}
NO_EGRESS = PodEgress()
VALUE = {"name": "Accept", "value": "text/csv"}
SECRET = {"name": "Authorization", "valueFrom": {"secretKeyRef": {"name": "token", "key": "it"}}}


def pod_spec(
    settings: dict[str, Any] | None = None, egress: PodEgress = NO_EGRESS, **spec: Any
) -> dict[str, Any]:
    desired = build_desired_state(
        schedule_object(**spec), SETTINGS.model_copy(update=settings or {}), egress
    )
    template: dict[str, Any] = desired.manifest["spec"]["jobTemplate"]["spec"]["template"]
    pod: dict[str, Any] = template["spec"]
    return pod


def on_claim(path: str) -> dict[str, Any]:
    return {"destination": {"volume": {"claimName": "data", "path": path}}}


def environment(**spec: Any) -> dict[str, Any]:
    (container,) = pod_spec(**spec)["containers"]
    return {entry["name"]: entry for entry in container["env"]}


def download(**spec: Any) -> Any:
    return json.loads(environment(**spec)["DOWNLOAD_SPEC"]["value"])


def test_worker_receives_every_field_that_concerns_it() -> None:
    received = download(
        verify={"sha256": "a" * 64, "contentTypes": ["text/*"]},
        onlyIfChanged=True,
        keepLast=3,
        destination={"volume": {"claimName": "data", "path": PATH, "overwrite": True}},
        request={"method": "POST", "body": "{}", "headers": [VALUE]},
    )

    assert received["request"] == {
        "method": "POST",
        "body": "{}",
        "headers": [VALUE],
        "compressed": False,
        "connectTimeoutSeconds": 10,
        "stallTimeoutSeconds": 30,
        "maxRedirects": 5,
    }
    assert received["verify"] == {
        "sha256": "a" * 64,
        "minBytes": 0,
        "maxBytes": 10 * 1024**3,
        "contentTypes": ["text/*"],
    }
    assert received["onlyIfChanged"] is True
    assert received["keepLast"] == 3
    volume = {"claimName": "data", "path": PATH, "overwrite": True}
    assert received["destination"] == {"volume": volume}


def test_worker_receives_the_deadline_of_its_run() -> None:
    assert download(activeDeadlineSeconds=60)["activeDeadlineSeconds"] == 60
    assert "activeDeadlineSeconds" not in download()


def test_worker_receives_the_wait_of_a_schedule_that_has_one() -> None:
    assert download(waitFor={"atMostSeconds": 600})["waitFor"] == {
        "until": "Exists",
        "everySeconds": 300,
        "atMostSeconds": 600,
        "statuses": [404],
    }
    assert "waitFor" not in download()


@pytest.mark.parametrize(("until", "has_run"), [("Exists", False), ("Changed", True)])
def test_worker_knows_its_run_if_it_waits_for_a_change(until: str, has_run: bool) -> None:
    variables = environment(waitFor={"until": until, "atMostSeconds": 600}, destination=ON_CLAIM)
    assert ("DOWNLOAD_RUN" in variables) is has_run


def test_worker_receives_the_days_that_are_left_out() -> None:
    exclude = {"dates": ["2026-12-25"], "weekdays": ["Sat"], "monthDays": [-1]}
    variables = environment(timeZone="Europe/Berlin", exclude=exclude)

    received = json.loads(variables["DOWNLOAD_SPEC"]["value"])["exclude"]
    assert received == {"timeZone": "Europe/Berlin", **exclude}
    assert "DOWNLOAD_CALENDAR" not in variables


def test_dates_of_a_config_map_are_in_a_variable_that_the_kubelet_fills() -> None:
    variables = environment(exclude={"calendarRef": {"name": "holidays"}})

    reference = variables["DOWNLOAD_CALENDAR"]["valueFrom"]["configMapKeyRef"]
    assert reference == {"name": "holidays", "key": "dates", "optional": True}
    assert json.loads(variables["DOWNLOAD_SPEC"]["value"])["exclude"]["calendar"] == "holidays"


@pytest.mark.parametrize("exclude", [{}, {"dates": [], "weekdays": [], "monthDays": []}])
def test_schedule_that_leaves_out_no_day_keeps_its_pod(exclude: dict[str, Any]) -> None:
    assert pod_spec(exclude=exclude) == pod_spec()
    assert "exclude" not in download(exclude=exclude)


def test_schedule_without_a_destination_discards() -> None:
    assert download()["destination"] == {"discard": {}}


def test_egress_is_in_variables_and_an_empty_part_of_it_in_none() -> None:
    egress = PodEgress(("10.0.0.0/8", "fd00::/8:443"), ("10.0.0.5/32:6443",), (81, 82))

    variables = environment(egress=egress)

    assert variables["DOWNLOAD_WORKER_ALLOW_CIDRS"]["value"] == "10.0.0.0/8,fd00::/8:443"
    assert variables["DOWNLOAD_WORKER_DENY_CIDRS"]["value"] == "10.0.0.5/32:6443"
    assert variables["DOWNLOAD_WORKER_ALLOW_PORTS"]["value"] == "81,82"
    assert not {name for name in environment() if name.startswith("DOWNLOAD_WORKER")}


def test_header_from_a_secret_is_a_variable_that_the_kubelet_fills() -> None:
    variables = environment(request={"headers": [VALUE, SECRET]})

    received = json.loads(variables["DOWNLOAD_SPEC"]["value"])
    assert received["request"]["headers"][1] == {
        "name": "Authorization",
        "variable": "DOWNLOAD_HEADER_1",
    }
    reference = variables["DOWNLOAD_HEADER_1"]["valueFrom"]["secretKeyRef"]
    assert reference == {"name": "token", "key": "it"}


def test_dollar_sign_in_a_body_does_not_refer_to_a_variable() -> None:
    text = environment(request={"method": "POST", "body": "$(HOME)"})["DOWNLOAD_SPEC"]["value"]

    assert "$$(HOME)" in text


def test_files_on_a_volume_belong_to_the_workers_group() -> None:
    context = pod_spec(destination=ON_CLAIM)["securityContext"]

    assert context["fsGroup"] == context["runAsGroup"] == context["runAsUser"] == 65532
    assert "fsGroup" not in pod_spec()["securityContext"]


def test_settings_leave_user_and_group_to_the_cluster() -> None:
    left = {"pod_run_as_user": None, "pod_fs_group": None}
    other = {"pod_run_as_user": 1000, "pod_fs_group": 2000}

    isolation = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert pod_spec(left, destination=ON_CLAIM)["securityContext"] == isolation
    assert pod_spec(other, destination=ON_CLAIM)["securityContext"] == {
        **isolation,
        "runAsUser": 1000,
        "runAsGroup": 1000,
        "fsGroup": 2000,
        "fsGroupChangePolicy": "OnRootMismatch",
    }


@pytest.mark.parametrize(
    ("path", "instead"),
    [
        ("latest.csv", "{namespace}/{name}/latest.csv"),
        ("{name}/{scheduled}-{filename}", "{namespace}/{name}/{scheduled}-{filename}"),
        ("{namespace}/{filename}", "{namespace}/{name}/{filename}"),
        ("team/other/{filename}", "{namespace}/{name}/team/other/{filename}"),
    ],
)
def test_path_out_of_the_own_folder_is_forbidden_unless_paths_are_free(
    path: str, instead: str
) -> None:
    volume = {"volume": {"claimName": "data", "path": path}}
    sentence = f"leads out of team/report/.*; write {re.escape(instead)}, or ask .* FREE_PATHS"

    with pytest.raises(
        ScheduleRefusedError, match=sentence.replace("FREE", "DOWNLOAD_OPERATOR_FREE")
    ):
        pod_spec(destination=volume)
    pod_spec(destination={"volume": {"claimName": "data", "path": instead}})
    free = pod_spec({"free_paths": True}, destination=volume)
    document = json.loads(free["containers"][0]["env"][0]["value"])
    assert document["destination"]["volume"] == {**volume["volume"], "freePath": True}


def test_default_path_out_of_the_own_folder_is_the_administrators_mistake() -> None:
    default = Destination.model_validate({"volume": {"claimName": "data", "path": "{filename}"}})

    with pytest.raises(
        ScheduleRefusedError, match=r"to write \{namespace\}/\{name\}/\{filename\} in"
    ):
        pod_spec({"default_destination": default})


def test_image_is_pulled_with_the_secrets_of_the_settings() -> None:
    pod = pod_spec({"worker_image_pull_secrets": ("registry", "mirror")})

    assert pod["imagePullSecrets"] == [{"name": "registry"}, {"name": "mirror"}]
    assert "imagePullSecrets" not in pod_spec()


def test_settings_decide_on_which_nodes_downloads_run() -> None:
    scheduling = {
        "nodeSelector": {"example.com/egress": "true"},
        "tolerations": [{"key": "egress", "operator": "Exists"}],
        "priorityClassName": "low",
    }

    pod = pod_spec({"pod_scheduling": PodScheduling.model_validate(scheduling)})

    assert pod == pod_spec() | scheduling


def test_empty_scheduling_adds_nothing_to_the_pod() -> None:
    empty = {"nodeSelector": {}, "tolerations": [], "priorityClassName": ""}

    assert pod_spec({"pod_scheduling": PodScheduling.model_validate(empty)}) == pod_spec()
    assert not empty.keys() & pod_spec().keys()


@pytest.mark.parametrize("file_format", list(Format))
def test_every_format_has_limits(file_format: Format) -> None:
    pdf = {"pdf_image": "p:1"}
    (container,) = pod_spec(pdf, format=file_format)["containers"]
    resources = container["resources"]

    assert resources == DEFAULTS[file_format].members()
    assert set(resources["requests"]) == {"cpu", "memory", "ephemeral-storage"}
    assert set(resources["limits"]) == {"memory", "ephemeral-storage"}


def test_settings_decide_what_a_format_may_use() -> None:
    more = with_defaults({Format.RAW: Resources(limits={"memory": "2Gi"})})

    (container,) = pod_spec({"pod_resources": more})["containers"]

    assert container["resources"]["limits"] == {"memory": "2Gi", "ephemeral-storage": "128Mi"}
    assert container["resources"]["requests"] == DEFAULTS[Format.RAW].requests


@pytest.mark.parametrize("file_format", list(Format))
def test_conversion_of_a_page_gets_the_limit_in_force(file_format: Format) -> None:
    (container,) = pod_spec({"pdf_image": "p:1"}, format=file_format)["containers"]
    limits = [v for v in container["env"] if v["name"] == "DOWNLOAD_WORKER_MEMORY_LIMIT"]

    limit = {"containerName": container["name"], "resource": "limits.memory"}
    is_bounded = file_format in {Format.TEXT, Format.MARKDOWN, Format.PDF}
    assert [v["valueFrom"] for v in limits] == [{"resourceFieldRef": limit}] * is_bounded


@pytest.mark.parametrize(
    "request_",
    [
        {"headers": [{"name": f"X-{n}", "value": "x" * 4096} for n in range(32)]},
        {"method": "POST", "body": "\U0001f4c8" * 16_384},
    ],
    ids=["headers", "body"],
)
def test_request_that_is_too_long_for_a_variable_is_refused(request_: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="can be given to a download; shorten them"):
        desired_state(request=request_)


@pytest.mark.parametrize(
    ("spec", "digest"),
    [
        ({}, "48e77b6ef646f825"),
        ({"destination": ON_CLAIM}, "e56488d71f07a34f"),
        (
            {"destination": {"s3": {"bucket": "abc", "credentialsSecretRef": {"name": "s"}}}},
            "9803d1d30a9f1920",
        ),
        (
            {
                **on_claim("{namespace}/{name}/latest.csv"),
                "schedule": "H H * * *",
                "timeZone": "Europe/Paris",
                "request": {
                    "method": "POST",
                    "body": '{"query":"{scheduledJobs{id}} {previous {id}}"}',
                    "headers": [{"name": "A", "value": "{{x}} {y}"}],
                },
            },
            "cce0af5fc7f994be",
        ),
    ],
)
def test_cron_job_without_templates_is_that_of_the_version_before_them(
    spec: dict[str, Any], digest: str
) -> None:
    """These are the digests of that version, so its CronJobs need no update."""
    assert desired_state(**spec).spec_hash == digest


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"url": "https://example.com/{scheduled}"}, ("Asia/Tokyo", None)),
        ({"url": "https://example.com/{{}}"}, ("Asia/Tokyo", None)),
        ({"url": "https://example.com/{previous}"}, ("Asia/Tokyo", "47 2 * * *")),
        ({"destination": ON_CLAIM}, (None, None)),
        (on_claim("{namespace}/{name}/{{name}}"), ("Asia/Tokyo", None)),
        (on_claim("{namespace}/{name}/{previous}"), ("Asia/Tokyo", "47 2 * * *")),
        ({"request": {"method": "POST", "body": "{previousRun} {scheduled:%Y}"}},
         ("Asia/Tokyo", None)),
        ({"request": {"method": "POST", "body": "{previous-1d:%Y}"}},
         ("Asia/Tokyo", "47 2 * * *")),
        ({"request": {"headers": [{"name": "A", "value": "{{scheduled}}"}]}}, ("Asia/Tokyo", None)),
        ({"request": {"headers": [SECRET]}}, (None, None)),
    ],
)  # fmt: skip
def test_worker_receives_zone_and_expression_where_a_template_needs_them(
    spec: dict[str, Any], expected: tuple[str | None, str | None]
) -> None:
    received = download(schedule="H 2 * * *", timeZone="Asia/Tokyo", **spec)
    assert (received.get("timeZone"), received.get("schedule")) == expected
