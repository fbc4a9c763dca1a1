"""The key that the API's Pod writes into the Secret of the chart."""

import base64
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.support import forked
from tools.cluster import LocalCluster
from tools.cluster.kubectl import Kubectl

MAKE_KEY = ("-m", "download_api", "make-key", "--secret=key")


class Pods:
    """Starts init containers of the API's Pod."""

    def __init__(self, kubeconfig: Path, namespace: str, folder: Path) -> None:
        self._environment = {**os.environ, "KUBECONFIG": str(kubeconfig)}
        self._namespace = namespace
        self._folder = folder

    def make_key(self, pod: str) -> tuple[str, str]:
        """Return the key that a Pod gets, and what it says on failure."""
        file = self._folder / pod
        arguments = [*MAKE_KEY, f"--file={file}", f"--namespace={self._namespace}"]
        done = forked.run(forked.API, arguments, env=self._environment)
        assert (done.returncode == 0) == file.exists()
        if not file.exists():
            return "", done.stderr
        assert file.stat().st_mode & 0o077 == 0
        return file.read_text(), done.stderr


@pytest.fixture
def pods(cluster: LocalCluster, kubectl: Kubectl, tmp_path: Path) -> Pods:
    return Pods(cluster.kubeconfig, kubectl.namespace, tmp_path)


def secret(**members: Any) -> dict[str, Any]:
    """Return the chart's Secret."""
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key"}, **members}


def stored_key(kubectl: Kubectl) -> str:
    return base64.b64decode(kubectl.get("secret", "key")["data"]["api-key"]).decode()


def test_pods_that_start_at_once_have_one_key(pods: Pods, kubectl: Kubectl) -> None:
    kubectl.apply(secret())
    with ThreadPoolExecutor() as pool:
        keys = {key for key, _ in pool.map(pods.make_key, "abc")}
    assert keys == {stored_key(kubectl)}
    assert len(keys.pop()) >= 32


def test_key_survives_the_next_start_and_the_next_apply(pods: Pods, kubectl: Kubectl) -> None:
    kubectl.apply(secret())
    key, _ = pods.make_key("first")
    kubectl.apply(secret(metadata={"name": "key", "labels": {"version": "2"}}))
    assert pods.make_key("second") == (key, "")
    assert stored_key(kubectl) == key


def test_key_is_written_beside_what_the_secret_has(pods: Pods, kubectl: Kubectl) -> None:
    kubectl.apply(secret(stringData={"mine": "x", "api-key": ""}))
    key, _ = pods.make_key("first")
    assert key == stored_key(kubectl)
    assert kubectl.get("secret", "key")["data"]["mine"] == "eA=="


def test_missing_secret_is_an_error(pods: Pods, kubectl: Kubectl) -> None:
    assert pods.make_key("first") == (
        "",
        f"the Secret key of the namespace {kubectl.namespace} is missing; apply the chart again, "
        "which creates it without a key\n",
    )


def test_secret_of_another_type_is_an_error(pods: Pods, kubectl: Kubectl) -> None:
    data = {"username": "x", "password": "x"}
    kubectl.apply(secret(type="kubernetes.io/basic-auth", stringData=data))
    key, message = pods.make_key("first")
    assert not key
    assert "has the type kubernetes.io/basic-auth instead of Opaque; delete it and" in message
