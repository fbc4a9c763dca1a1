"""Manifests of what Pods expect from a cluster besides a node: DNS and storage. Pure."""

from typing import Any

from tools.cluster.paths import DNS_SERVICE, NODE, NODE_ADDRESS, Layout

VOLUMES = 60
"""Number of PersistentVolumes. A claim takes one and never gives it back."""


def manifests(layout: Layout) -> list[dict[str, Any]]:
    """Return everything that is applied along with a node."""
    return [*_dns(), _storage_class(), *(_volume(layout, number) for number in range(VOLUMES))]


def volume_path(layout: Layout, number: int) -> str:
    """Return the folder behind a volume."""
    return str(layout.folder / "volumes" / f"local-{number:02d}")


def _dns() -> list[dict[str, Any]]:
    ports = [{"name": f"dns-{p.lower()}", "port": 53, "protocol": p} for p in ("UDP", "TCP")]
    metadata = {"name": "kube-dns", "namespace": "kube-system"}
    service_name = {"kubernetes.io/service-name": "kube-dns"}
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata,
            "spec": {"clusterIP": DNS_SERVICE, "ports": ports},
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {**metadata, "labels": service_name},
            "addressType": "IPv4",
            "endpoints": [{"addresses": [NODE_ADDRESS], "conditions": {"ready": True}}],
            "ports": ports,
        },
    ]


def _storage_class() -> dict[str, Any]:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": "standard",
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": "kubernetes.io/no-provisioner",
        "volumeBindingMode": "WaitForFirstConsumer",
    }


def _volume(layout: Layout, number: int) -> dict[str, Any]:
    on_node = {"key": "kubernetes.io/hostname", "operator": "In", "values": [NODE]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"local-{number:02d}"},
        "spec": {
            "storageClassName": "standard",
            "capacity": {"storage": "10Gi"},
            "accessModes": ["ReadWriteOnce", "ReadWriteMany"],
            "persistentVolumeReclaimPolicy": "Retain",
            "local": {"path": volume_path(layout, number)},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [on_node]}]}},
        },
    }
