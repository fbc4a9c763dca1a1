"""Build the Pod in which an attempt runs."""

import json
from typing import Any, Final

from download_operator.cache.objects import Schedule
from download_operator.settings import Settings
from download_schedule.model import Destination, Format, Spec
from download_schedule.names import CONTAINER, JOB_UID_LABEL

WORKER_USER: Final = 65532
DATA_PATH: Final = "/data"
CA_PATH: Final = "/etc/download-operator/ca"
SCRATCH_SIZE: Final = "512Mi"
MAX_VARIABLE: Final = 128 * 1024 - len("DOWNLOAD_SPEC=") - 1
"""Linux starts no process with a longer variable, name, sign and final zero counted."""


def pod_spec(schedule: Schedule, spec: Spec, settings: Settings) -> dict[str, Any]:
    """Return a Pod that Pod Security's "restricted" level admits, with nothing of the user's but
    data.

    Raises:
        ValueError: that is more than a process can be given.
    """
    volume = _destination(spec, settings).volume
    container: dict[str, Any] = {
        "name": CONTAINER,
        "image": settings.pdf_image if spec.format is Format.PDF else settings.worker_image,
        "imagePullPolicy": settings.worker_image_pull_policy,
        "args": ["run"],
        "env": _environment(schedule, spec, settings),
        "resources": {"requests": _requests(spec)},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    mounts: list[dict[str, Any]] = []
    volumes: list[dict[str, Any]] = []
    if volume:
        mounts.append({"name": "data", "mountPath": DATA_PATH})
        claim = {"claimName": volume.claim_name}
        volumes.append({"name": "data", "persistentVolumeClaim": claim})
    if settings.ca_config_map:
        mounts.append({"name": "ca", "mountPath": CA_PATH, "readOnly": True})
        volumes.append({"name": "ca", "configMap": {"name": settings.ca_config_map}})
    if spec.format is Format.PDF:
        mounts.append({"name": "scratch", "mountPath": "/tmp"})  # noqa: S108 - the browser's own
        volumes.append({"name": "scratch", "emptyDir": {"sizeLimit": SCRATCH_SIZE}})
    if mounts:
        container["volumeMounts"] = mounts
    pod: dict[str, Any] = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 10,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": WORKER_USER,
            "runAsGroup": WORKER_USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
    }
    if volume:
        pod["securityContext"] |= {"fsGroup": WORKER_USER, "fsGroupChangePolicy": "OnRootMismatch"}
    if volumes:
        pod["volumes"] = volumes
    if settings.worker_image_pull_secrets:
        # One that a namespace has not is passed by: the kubelet pulls with those that are there.
        names = settings.worker_image_pull_secrets
        pod["imagePullSecrets"] = [{"name": name} for name in names]
    return pod | settings.pod_scheduling.members()


def _requests(spec: Spec) -> dict[str, str]:
    memory = {Format.TEXT: "128Mi", Format.MARKDOWN: "128Mi", Format.PDF: "384Mi"}
    return {"cpu": "10m", "memory": memory.get(spec.format, "48Mi")}


def _destination(spec: Spec, settings: Settings) -> Destination:
    """Return where the file goes: the schedule's word, the operator's, or nowhere."""
    if spec.destination.model_dump(exclude_none=True):
        return spec.destination
    return settings.default_destination


def _environment(schedule: Schedule, spec: Spec, settings: Settings) -> list[dict[str, Any]]:
    headers, secrets = _headers(spec)
    destination = _destination(spec, settings)
    download = {
        "namespace": schedule.namespace,
        "name": schedule.name,
        "url": spec.url,
        "format": spec.format.value,
        "request": {**spec.request.to_resource(), "headers": headers},
        "verify": spec.verify.to_resource(),
        "onlyIfChanged": spec.only_if_changed,
        "keepLast": spec.keep_last,
        "destination": destination.to_resource() or {"discard": {}},
    }
    text = json.dumps(download, separators=(",", ":"))
    if len(text) > MAX_VARIABLE:
        raise ValueError(
            f"spec.request: headers and body make {len(text)} characters of JSON in ASCII, and "
            f"{MAX_VARIABLE} can be given to a download; shorten them"
        )
    variables = {"DOWNLOAD_SPEC": _without_expansion(text)}
    if settings.allow_cidrs:
        variables["DOWNLOAD_WORKER_ALLOW_CIDRS"] = ",".join(settings.allow_cidrs)
    if settings.proxy:
        variables["DOWNLOAD_WORKER_PROXY"] = settings.proxy
    if settings.log_format != "text":
        variables["DOWNLOAD_WORKER_LOG_FORMAT"] = settings.log_format
    if settings.ca_config_map:
        variables["SSL_CERT_FILE"] = f"{CA_PATH}/ca.crt"
    return [
        *({"name": name, "value": value} for name, value in variables.items()),
        _from_label("DOWNLOAD_JOB", "batch.kubernetes.io/job-name"),
        *secrets,
        *_for_bucket(destination),
    ]


def _for_bucket(destination: Destination) -> list[dict[str, Any]]:
    if destination.s3 is None:
        return []
    secret = destination.s3.credentials_secret_ref.name
    return [
        _from_label("DOWNLOAD_RUN", JOB_UID_LABEL),
        _from_secret("AWS_ACCESS_KEY_ID", secret, "AWS_ACCESS_KEY_ID"),
        _from_secret("AWS_SECRET_ACCESS_KEY", secret, "AWS_SECRET_ACCESS_KEY"),
        _from_secret("AWS_SESSION_TOKEN", secret, "AWS_SESSION_TOKEN", optional=True),
    ]


def _headers(spec: Spec) -> tuple[list[dict[str, str]], list[dict[str, Any]]]:
    """Return the headers, and the variables in which the kubelet puts those from Secrets."""
    headers: list[dict[str, str]] = []
    variables: list[dict[str, Any]] = []
    for number, header in enumerate(spec.request.headers):
        if header.value_from is None:
            headers.append({"name": header.name, "value": header.value or ""})
        else:
            variable = f"DOWNLOAD_HEADER_{number}"
            reference = header.value_from.secret_key_ref
            headers.append({"name": header.name, "variable": variable})
            variables.append(_from_secret(variable, reference.name, reference.key))
    return headers, variables


def _from_label(variable: str, label: str) -> dict[str, Any]:
    field = {"fieldPath": f"metadata.labels['{label}']"}
    return {"name": variable, "valueFrom": {"fieldRef": field}}


def _from_secret(variable: str, secret: str, key: str, optional: bool = False) -> dict[str, Any]:
    """The kubelet reads the Secret; the operator neither can nor does."""
    reference: dict[str, Any] = {"name": secret, "key": key}
    if optional:
        reference["optional"] = True
    return {"name": variable, "valueFrom": {"secretKeyRef": reference}}


def _without_expansion(value: str) -> str:
    """Keep the kubelet from reading ``$(NAME)`` in a user's text as a reference to a variable."""
    return value.replace("$", "$$")
