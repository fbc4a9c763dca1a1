"""Objects that cost whoever reads them as much as possible, and that the API server accepts."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import httpx

from download_kube import paths
from download_schedule.model import PLURAL
from tests.support.kubeconfig import login_by
from tests.support.schedules import schedule

LONGEST_VALUE: Final = 1_400_000
"""Characters of one value in an object that etcd accepts. Go writes ``<`` as six bytes of JSON."""
LONGEST_ANNOTATION: Final = 250_000
OWNERS: Final = 20_000
LEVELS: Final = 3_000
NESTED: Final = '{"f:a":' * LEVELS + "{}" + "}" * LEVELS
"""JSON that is too deep for Python's parsers, and not for the API server's."""
_NESTED: Final = "nested"
"""Stands for it until the JSON is written, for which it is too deep as well."""
LABEL: Final = "downloads.dev/schedule-uid"
COLLECTIONS: Final = {
    "DownloadSchedule": (paths.SCHEDULES, PLURAL),
    "CronJob": (paths.BATCH, "cronjobs"),
    "Job": (paths.BATCH, "jobs"),
    "Pod": (paths.CORE, "pods"),
}
"""API and plural of each kind that the operator watches."""
_NAMESPACES: Final = {"Namespace": (paths.CORE, "namespaces")}


def fat(kind: str, flavour: str, name: str, label: str = "x") -> dict[str, Any]:
    """Return an object that is fat in one way, with the label that the operator watches.

    Args:
        kind: one of :data:`COLLECTIONS`.
        flavour: ``escapes``, ``many``, or one of :func:`fat_metadata`.
        name: its name.
        label: value of the label.
    """
    metadata: dict[str, Any] = {"name": name, "labels": {LABEL: label}}
    env: list[dict[str, str]] = []
    secrets: list[dict[str, str]] = []
    # The API server stores a custom resource as JSON, in which it escapes as it does in responses.
    longest = LONGEST_ANNOTATION if kind == "DownloadSchedule" else LONGEST_VALUE
    match flavour:
        case "escapes" if kind == "DownloadSchedule":
            metadata["annotations"] = {"fat": "<" * longest}
        case "escapes":
            env = [{"name": "FAT", "value": "<" * longest}]
        case "many":
            env = [{"name": f"E{n}"} for n in range(20_000)]
            secrets = [{} for _ in range(50_000)]
        case _:
            metadata |= fat_metadata(flavour, longest)
    return {**_bare(kind, env, secrets), "metadata": metadata}


def fat_metadata(flavour: str, longest: int = LONGEST_VALUE) -> dict[str, Any]:
    """Return what makes the metadata of any object fat; nothing for an unknown flavour.

    Args:
        flavour: ``annotations``, ``labels``, ``nested``, ``fields``, ``owner`` or ``owners``.
        longest: characters of the longest value.
    """
    match flavour:
        case "annotations":
            return {"annotations": {f"a{n}": "&" * 100 for n in range(2_400)}}
        case "labels":
            return {"labels": {f"l{n}": "x" * 63 for n in range(15_000)}}
        case "nested":
            return {"managedFields": [_managed({"f:a": _NESTED})]}
        case "fields":
            return {"managedFields": [_managed({f"f:x{n}": {} for n in range(60_000)})]}
        case "owner":
            return {"ownerReferences": [_owner("<" * longest)]}
        case "owners":
            return {"ownerReferences": [_owner("x")] * OWNERS}
        case _:
            return {}


def _owner(name: str) -> dict[str, str]:
    """Return an owner of an unknown kind, whose dependents Kubernetes does not delete."""
    return {"apiVersion": "example.com/v1", "kind": "Stranger", "name": name, "uid": "x"}


def _bare(kind: str, env: Any, secrets: Any) -> dict[str, Any]:
    container = {"name": "c", "image": "example.com/none:1", "env": env}
    pod = {"restartPolicy": "Never", "containers": [container], "imagePullSecrets": secrets}
    job = {"suspend": True, "template": {"spec": pod}}
    match kind:
        case "DownloadSchedule":
            return schedule("", suspend=True)
        case "CronJob":
            spec = {"schedule": "0 0 1 1 *", "suspend": True, "jobTemplate": {"spec": job}}
            return {"apiVersion": "batch/v1", "kind": kind, "spec": spec}
        case "Job":
            return {"apiVersion": "batch/v1", "kind": kind, "spec": job}
        case _:
            return {"apiVersion": "v1", "kind": kind, "spec": pod}


def _managed(fields: dict[str, Any]) -> dict[str, Any]:
    return {
        "manager": "stranger",
        "operation": "Update",
        "apiVersion": "v1",
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
    }


def create(kubeconfig: Path, namespace: str, manifests: Sequence[dict[str, Any]]) -> None:
    """POST manifests unchanged: kubectl would escape them, and make them too large to send."""
    with cluster_client(kubeconfig) as server:
        for manifest in manifests:
            path = paths.collection(*_collection(manifest, namespace))
            body = json.dumps(manifest).replace(f'"{_NESTED}"', NESTED)
            response = server.post(path, content=body)
            assert response.status_code == 201, response.text[:1000]


def delete(kubeconfig: Path, namespace: str, manifests: Sequence[dict[str, Any]]) -> None:
    """Delete objects one by one: kubectl would list them first."""
    with cluster_client(kubeconfig) as server:
        for manifest in manifests:
            path = paths.collection(*_collection(manifest, namespace))
            server.delete(f"{path}/{manifest['metadata']['name']}")


def _collection(manifest: dict[str, Any], namespace: str) -> tuple[str, str, str]:
    api, plural = (COLLECTIONS | _NAMESPACES)[manifest["kind"]]
    return api, namespace, plural


def cluster_client(kubeconfig: Path) -> httpx.Client:
    account = login_by(kubeconfig)()
    return httpx.Client(
        base_url=account.server,
        verify=account.as_ssl_context(),
        headers={**account.as_http_headers(), "Content-Type": "application/json"},
        timeout=60,
    )


def peak_memory(pid: int) -> int:
    """Return how many MiB a process has occupied at most."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) // 1024
