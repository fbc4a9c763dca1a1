"""`python -m tools.demo CLUSTER`: the main job of the product, from nothing to a saved file."""

import argparse
import functools
import hashlib
import json
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.support.schedules import schedule
from tools import cluster as clusters
from tools import command, images
from tools.cluster import Cluster, binaries, components
from tools.cluster.host import say
from tools.cluster.kubectl import Kubectl, wait_for
from tools.demo import install
from tools.demo.table import align
from tools.demo.webserver import content
from tools.errors import ToolError

EVERY_MINUTE = "* * * * *"
TICK_SECONDS = 150.0
BY_KUBECTL = "nightly-report"
BY_HTTP = "Price list"
AUTHOR = "price-lists"
"""The account that calls the HTTP API."""
FILES = {BY_KUBECTL: "report.csv", BY_HTTP: "prices.csv"}
COLUMNS = ("SCHEDULE", "RUN", "TRIGGER", "STATE", "COMPLETED", "BYTES", "LOCATION")


class DemoError(ToolError):
    """The demo did not show what it should. The message says what it saw."""


def main() -> None:
    """Show the product on the cluster of the command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.demo", description=__doc__)
    parser.add_argument("cluster", help="name of the cluster, which is created if it is missing")
    name, started = parser.parse_args().cluster, time.monotonic()
    with _cluster_and_images(name) as cluster:
        _install(cluster)
        _show_downloads(cluster)
    say(f"done in {time.monotonic() - started:.0f} s")
    _say_how_to_go_on(cluster)


@contextmanager
def _cluster_and_images(name: str) -> Iterator[Cluster]:
    """Have a cluster, compiled where needed while the images are built."""
    say("the three images, and a Kubernetes cluster")
    with images.building():
        if clusters.choose_mode() == "local":
            programs = (*components.CONTROL_PLANE, *components.NODE_PROGRAMS, "runc")
            binaries.ensure(*programs, "kubectl", "helm")
    with clusters.unless_interrupted(name, node=True) as cluster:
        yield cluster


def _install(cluster: Cluster) -> None:
    say("loading the images into the cluster")
    install.load_images(cluster)
    say("helm install")
    install.install_by_helm(cluster)
    say("a web server with files, in the cluster")
    install.serve_files(cluster)


def _show_downloads(cluster: Cluster) -> None:
    say("one schedule by kubectl apply, one by the HTTP API")
    kubectl = install.kubectl_of(cluster)
    _create_by_kubectl(kubectl)
    files = {BY_KUBECTL: FILES[BY_KUBECTL], _create_by_http(cluster): FILES[BY_HTTP]}
    say("waiting for their cron expressions to fire: up to a minute")
    for schedule_name, file in files.items():
        completed = functools.partial(_completed_run, kubectl, schedule_name)
        run = wait_for(f"a completed run of {schedule_name}", completed, TICK_SECONDS)
        _compare(kubectl, schedule_name, file, run)
    print(f"\n$ kubectl get dls\n{kubectl('get', 'dls')}")
    rows = [row for schedule_name in files for row in _rows(kubectl, schedule_name)]
    print(f"{align([COLUMNS, *rows])}\n")


def _create_by_kubectl(kubectl: Kubectl) -> None:
    kubectl.apply(
        install.claim("downloads"),
        *install.author(AUTHOR, kubectl.namespace, "downloads"),
        schedule(
            BY_KUBECTL,
            url=f"{install.WEB_URL}/files/{FILES[BY_KUBECTL]}",
            schedule=EVERY_MINUTE,
            destination={"volume": {"claimName": "downloads"}},
        ),
    )


def _create_by_http(cluster: Cluster) -> str:
    """Create a schedule by the HTTP API, unless an earlier demo did, and return its resource."""
    body = {
        "name": BY_HTTP,
        "url": f"{install.WEB_URL}/files/{FILES[BY_HTTP]}",
        "cron_expression": EVERY_MINUTE,
        "namespace": "default",
        "format": "raw",
        "destination": {"volume": {"claim_name": "downloads"}},
    }
    token = install.api_token(install.kubectl_of(cluster), AUTHOR)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    with install.port_forward(cluster, "download-operator-api") as url:
        listed = _call(f"{url}/schedules?namespace=default", headers)["schedules"]
        earlier = [existing for existing in listed if existing["name"] == BY_HTTP]
        created = earlier[0] if earlier else _call(f"{url}/schedules", headers, body)
    return str(created["resource"])


def _call(url: str, headers: dict[str, str], body: dict[str, Any] | None = None) -> Any:
    data = json.dumps(body).encode() if body else None
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=30) as ok:
            return json.load(ok)
    except OSError as error:
        raise DemoError(f"the HTTP API does not respond as it should: {error}") from error


def _completed_run(kubectl: Kubectl, name: str) -> dict[str, Any] | None:
    return next((run for run in _history(kubectl, name) if run["state"] == "Completed"), None)


def _history(kubectl: Kubectl, name: str) -> list[dict[str, Any]]:
    history: list[dict[str, Any]] = kubectl.get("dls", name).get("status", {}).get("history", [])
    return history


def _compare(kubectl: Kubectl, name: str, file: str, run: dict[str, Any]) -> None:
    """Compare the file that was served, the checksum in the status, and the file on the volume.

    Raises:
        DemoError: They differ.
    """
    served = hashlib.sha256(content(file)).hexdigest()
    saved = install.sha256_on_claim(kubectl, "downloads", run["location"])
    if not served == run["sha256"] == saved:
        raise DemoError(f"{name}: sha256 served {served}, recorded {run['sha256']}, saved {saved}")
    say(f"{name}: {run['bytes']} bytes, sha256 served = recorded = saved = {saved[:16]}…")


def _rows(kubectl: Kubectl, name: str) -> list[tuple[str, ...]]:
    members = ("job", "trigger", "state", "completionTime", "bytes", "location")
    return [
        (name, *(str(run.get(member, "")) for member in members)) for run in _history(kubectl, name)
    ]


def _say_how_to_go_on(cluster: Cluster) -> None:
    print(f"""Look around:  export KUBECONFIG={cluster.kubeconfig}
              kubectl get dls,cronjobs,jobs
              kubectl get dls {BY_KUBECTL} -o yaml
Remove it:    {_removal(cluster)}""")


def _removal(cluster: Cluster) -> str:
    """Return the command that removes what the demo has made."""
    if cluster.mode == "current":
        return (
            "kubectl delete dls --all && helm uninstall download-operator "
            f"--namespace={install.NAMESPACE} && kubectl delete namespace {install.WEB_NAMESPACE}"
        )
    return f"make cluster-down CLUSTER={cluster.mode} CLUSTER_NAME={cluster.name}"


if __name__ == "__main__":
    sys.exit(command.run(main))
