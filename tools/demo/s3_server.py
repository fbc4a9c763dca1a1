"""A real S3 server (SeaweedFS) inside the cluster, where Pods reach it."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support import s3
from tools.cluster import Cluster
from tools.cluster.image_archive import write_image
from tools.cluster.kubectl import wait_for
from tools.demo.install import kubectl_of, port_forward

IMAGE = "download-operator/weed:1"
NAMESPACE = "s3"
PORT = 8333
ENDPOINT = f"http://weed.{NAMESPACE}:{PORT}"
"""The address for Pods."""


@contextmanager
def running(cluster: Cluster) -> Iterator[s3.S3Server]:
    """Run the server with an empty bucket until the block ends. It is yielded with the address at
    which this machine reaches it."""
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "weed.tar"
        write_image(archive, IMAGE, {"weed": s3.WEED.read_bytes()}, "/weed")
        cluster.load(archive)
    kubectl = kubectl_of(cluster, NAMESPACE)
    kubectl.apply(*_manifests())
    kubectl("rollout", "status", "deployment/weed", "--timeout=120s", timeout=130)
    with port_forward(cluster, "weed", NAMESPACE, PORT) as url:
        server = s3.S3Server(url)
        wait_for("the bucket", lambda: s3.make_bucket(server), timeout=60)
        yield server
    kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def _manifests() -> list[dict[str, Any]]:
    labels = {"app": "weed"}
    container = {
        "name": "weed",
        "image": IMAGE,
        "args": [
            *("server", "-dir=/data", "-s3", f"-s3.port={PORT}", "-s3.config=/config/s3.json"),
            *("-ip=127.0.0.1", "-ip.bind=0.0.0.0", "-master.volumeSizeLimitMB=100"),
            *("-volume.max=20", "-master.telemetry=false"),
        ],
        "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1},
        "volumeMounts": [
            {"name": "data", "mountPath": "/data"},
            {"name": "data", "mountPath": "/tmp"},
            {"name": "config", "mountPath": "/config"},
        ],
    }
    template = {
        "metadata": {"labels": labels},
        "spec": {
            "containers": [container],
            "volumes": [
                {"name": "data", "emptyDir": {}},
                {"name": "config", "configMap": {"name": "weed"}},
            ],
        },
    }
    metadata = {"name": "weed", "namespace": NAMESPACE}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": metadata,
            "data": {"s3.json": s3.CONFIG},
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": metadata,
            "spec": {"selector": {"matchLabels": labels}, "template": template},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata,
            "spec": {"selector": labels, "ports": [{"port": PORT}]},
        },
    ]
