"""Build the Pod in which an attempt runs. Pure."""

import re
from typing import Any, Final

from download_operator.cache.objects import Schedule
from download_operator.pod_egress import PodEgress
from download_operator.settings import Settings
from download_schedule import cron
from download_schedule.attempt import task, template
from download_schedule.attempt.task import PLACEHOLDERS, Task
from download_schedule.attempt.task_document import encode
from download_schedule.attempt.variables import (
    ACCESS_KEY_ID_VARIABLE,
    CA_FILE_VARIABLE,
    CALENDAR_KEY,
    CALENDAR_VARIABLE,
    DATA_PATH,
    JOB_VARIABLE,
    JSON_LOG_FORMAT,
    LOG_FORMAT_VARIABLE,
    MEMORY_LIMIT_VARIABLE,
    PROXY_VARIABLE,
    RUN_VARIABLE,
    SECRET_ACCESS_KEY_VARIABLE,
    SESSION_TOKEN_VARIABLE,
    SPEC_VARIABLE,
    header_variable,
)
from download_schedule.model import Destination, Format, Spec, Until
from download_schedule.names import CONTAINER, JOB_UID_LABEL
from download_schedule.types import JSONObject

CA_PATH: Final = "/etc/download-operator/ca"
SCRATCH_SIZE: Final = "512Mi"
_PLAIN: Final = re.compile(rf"\{{({'|'.join(PLACEHOLDERS)})\}}")
"""What a worker replaces in a path without knowing the time zone."""
BOUNDED_FORMATS: Final = frozenset({Format.TEXT, Format.MARKDOWN, Format.PDF})
"""Formats whose conversion uses as much memory as the container may have."""


def build_pod_spec(
    schedule: Schedule, spec: Spec, settings: Settings, egress: PodEgress
) -> JSONObject:
    """Return the spec of a Pod that Pod Security's "restricted" level admits.

    A schedule's author decides about data alone: no image, no volume but a claim, no privilege.

    Raises:
        ValueError: the configuration is larger than an environment variable can be.
    """
    container = _container(schedule, spec, settings, egress)
    pod: JSONObject = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 10,
        "securityContext": _security_context(spec, settings),
        "containers": [container],
    }
    if mounts := _mounts(spec, settings):
        container["volumeMounts"] = [mount for mount, _ in mounts]
        pod["volumes"] = [volume for _, volume in mounts]
    if names := settings.worker_image_pull_secrets:
        # The kubelet ignores Secrets that do not exist in the schedule's namespace.
        pod["imagePullSecrets"] = [{"name": name} for name in names]
    return pod | settings.pod_scheduling.members()


def _container(schedule: Schedule, spec: Spec, settings: Settings, egress: PodEgress) -> JSONObject:
    return {
        "name": CONTAINER,
        "image": settings.pdf_image if spec.format is Format.PDF else settings.worker_image,
        "imagePullPolicy": settings.worker_image_pull_policy,
        "args": ["run"],
        "env": _environment(schedule, spec, settings, egress),
        "resources": settings.pod_resources[spec.format].members(),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }


def _security_context(spec: Spec, settings: Settings) -> JSONObject:
    context: JSONObject = {
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    if user := settings.pod_run_as_user:
        context |= {"runAsUser": user, "runAsGroup": user}
    if (group := settings.pod_fs_group) and find_destination(spec, settings).volume:
        context |= {"fsGroup": group, "fsGroupChangePolicy": "OnRootMismatch"}
    return context


def _mounts(spec: Spec, settings: Settings) -> list[tuple[JSONObject, JSONObject]]:
    """Return the container's mounts, each with its volume."""
    mounts: list[tuple[JSONObject, JSONObject]] = []
    if volume := find_destination(spec, settings).volume:
        claim = {"claimName": volume.claim_name}
        mounts.append(
            (
                {"name": "data", "mountPath": DATA_PATH},
                {"name": "data", "persistentVolumeClaim": claim},
            )
        )
    if settings.ca_config_map:
        mounts.append(
            (
                {"name": "ca", "mountPath": CA_PATH, "readOnly": True},
                {"name": "ca", "configMap": {"name": settings.ca_config_map}},
            )
        )
    if spec.format is Format.PDF:
        mounts.append(
            (
                {"name": "scratch", "mountPath": "/tmp"},  # noqa: S108 - Chromium's own folder
                {"name": "scratch", "emptyDir": {"sizeLimit": SCRATCH_SIZE}},
            )
        )
    return mounts


def find_destination(spec: Spec, settings: Settings) -> Destination:
    """Return the schedule's destination, or the operator's default if it names none."""
    named = spec.destination
    return named if named.volume or named.s3 or named.discard else settings.default_destination


def _environment(
    schedule: Schedule, spec: Spec, settings: Settings, egress: PodEgress
) -> list[dict[str, Any]]:
    destination = find_destination(spec, settings)
    document = encode(_task(schedule, spec, destination, settings))
    values = {SPEC_VARIABLE: _without_expansion(document), **egress.variables()}
    if settings.proxy:
        values[PROXY_VARIABLE] = settings.proxy
    if settings.log_format == JSON_LOG_FORMAT:
        values[LOG_FORMAT_VARIABLE] = settings.log_format
    if settings.ca_config_map:
        values[CA_FILE_VARIABLE] = f"{CA_PATH}/ca.crt"
    return [
        *({"name": name, "value": value} for name, value in values.items()),
        _from_label(JOB_VARIABLE, "batch.kubernetes.io/job-name"),
        *_memory_variables(spec),
        *_header_variables(spec),
        *_run_variables(spec, destination),
        *_bucket_variables(destination),
        *_calendar_variables(spec),
    ]


def _task(schedule: Schedule, spec: Spec, destination: Destination, settings: Settings) -> Task:
    time_zone, expression = _template_context(schedule, spec, destination)
    return Task(
        namespace=schedule.namespace,
        name=schedule.name,
        url=spec.url,
        format=spec.format,
        method=spec.request.method,
        body=spec.request.body,
        headers=_headers(spec),
        compressed=spec.request.compressed,
        connect_timeout_seconds=spec.request.connect_timeout_seconds,
        stall_timeout_seconds=spec.request.stall_timeout_seconds,
        max_redirects=spec.request.max_redirects,
        sha256=spec.verify.sha256,
        min_bytes=spec.verify.min_bytes,
        max_bytes=spec.verify.max_bytes,
        content_types=spec.verify.content_types,
        only_if_changed=spec.only_if_changed,
        keep_last=spec.keep_last,
        destination=_task_destination(destination, settings),
        active_deadline_seconds=spec.active_deadline_seconds,
        time_zone=time_zone,
        schedule=expression,
        wait_for=_wait_for(spec),
        exclude=spec.exclude.read_in(spec.time_zone),
    )


def _wait_for(spec: Spec) -> task.WaitFor | None:
    if (late := spec.wait_for) is None:
        return None
    return task.WaitFor(late.until, late.every_seconds, late.at_most_seconds, late.statuses)


def _template_context(
    schedule: Schedule, spec: Spec, destination: Destination
) -> tuple[str | None, str | None]:
    """Return time zone and cron expression for the worker, each only if a template needs it."""
    target = destination.volume.path if destination.volume else ""
    target = destination.s3.key if destination.s3 else target
    texts = [spec.request.body or "", *(header.value or "" for header in spec.request.headers)]
    timed = [text for text in texts if template.has_time_in_text(text)]
    if not timed and not {"{", "}"} & set(spec.url + _PLAIN.sub("", target)):
        return None, None
    needs_previous = any(map(template.names_previous, (spec.url, target, *timed)))
    expression = cron.render(spec.schedule, schedule.uid) if needs_previous else None
    return spec.time_zone, expression


def _headers(spec: Spec) -> tuple[task.Header, ...]:
    """Return the headers, with the name of a variable where the value is in a Secret."""
    return tuple(
        task.Header(header.name, header.value or "")
        if header.value_from is None
        else task.Header(header.name, variable=header_variable(index))
        for index, header in enumerate(spec.request.headers)
    )


def _task_destination(destination: Destination, settings: Settings) -> task.Destination:
    if volume := destination.volume:
        return task.Volume(volume.claim_name, volume.path, volume.overwrite, settings.free_paths)
    if s3 := destination.s3:
        secret = s3.credentials_secret_ref.name
        return task.S3(s3.bucket, s3.key, s3.endpoint, s3.region, secret)
    return None


def _header_variables(spec: Spec) -> list[dict[str, Any]]:
    """Return the variables that the kubelet fills with the headers' values from Secrets."""
    references = (
        (header_variable(index), header.value_from.secret_key_ref)
        for index, header in enumerate(spec.request.headers)
        if header.value_from
    )
    return [_from_secret(name, reference.name, reference.key) for name, reference in references]


def _run_variables(spec: Spec, destination: Destination) -> list[dict[str, Any]]:
    """Return the variable for the run's identity, for attempts that must know their run's file."""
    waits_for_change = spec.wait_for is not None and spec.wait_for.until is Until.CHANGED
    if destination.s3 or waits_for_change:
        return [_from_label(RUN_VARIABLE, JOB_UID_LABEL)]
    return []


def _bucket_variables(destination: Destination) -> list[dict[str, Any]]:
    if destination.s3 is None:
        return []
    secret = destination.s3.credentials_secret_ref.name
    return [
        _from_secret(ACCESS_KEY_ID_VARIABLE, secret, ACCESS_KEY_ID_VARIABLE),
        _from_secret(SECRET_ACCESS_KEY_VARIABLE, secret, SECRET_ACCESS_KEY_VARIABLE),
        _from_secret(SESSION_TOKEN_VARIABLE, secret, SESSION_TOKEN_VARIABLE, optional=True),
    ]


def _calendar_variables(spec: Spec) -> list[dict[str, Any]]:
    """Return the variable that the kubelet fills with dates from a ConfigMap.

    It is optional, so that the worker starts and says what is wrong. Otherwise the Pod would wait
    for the ConfigMap until its deadline.
    """
    if spec.exclude.calendar_ref is None:
        return []
    name = spec.exclude.calendar_ref.name
    reference = {"name": name, "key": CALENDAR_KEY, "optional": True}
    return [{"name": CALENDAR_VARIABLE, "valueFrom": {"configMapKeyRef": reference}}]


def _memory_variables(spec: Spec) -> list[dict[str, Any]]:
    """Return the variable that the kubelet fills with the limit in force, whoever set it."""
    if spec.format not in BOUNDED_FORMATS:
        return []
    limit = {"containerName": CONTAINER, "resource": "limits.memory"}
    return [{"name": MEMORY_LIMIT_VARIABLE, "valueFrom": {"resourceFieldRef": limit}}]


def _from_label(variable: str, label: str) -> dict[str, Any]:
    field = {"fieldPath": f"metadata.labels['{label}']"}
    return {"name": variable, "valueFrom": {"fieldRef": field}}


def _from_secret(variable: str, secret: str, key: str, optional: bool = False) -> dict[str, Any]:
    """Return a variable that the kubelet fills from a Secret, which the operator cannot read."""
    reference: dict[str, Any] = {"name": secret, "key": key}
    if optional:
        reference["optional"] = True
    return {"name": variable, "valueFrom": {"secretKeyRef": reference}}


def _without_expansion(value: str) -> str:
    """Keep the kubelet from reading ``$(NAME)`` in a user's text as a reference to a variable."""
    return value.replace("$", "$$")
