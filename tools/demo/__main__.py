"""`python -m tools.demo CLUSTER`: the main job done, from nothing to a file kept."""

import functools
import hashlib
import json
import sys
import time
import urllib.request
from typing import Any

from tests.support.kubectl import Kubectl, wait_for
from tests.support.schedules import schedule
from tools import cluster as clusters
from tools.cluster import Cluster
from tools.cluster.host import say
from tools.demo import install
from tools.demo.webserver import content
from tools.images.engine import BuildFailedError

EVERY_MINUTE = "* * * * *"
TICK_SECONDS = 150.0


def main() -> int:
    """Show it; return the exit code."""
    try:
        _demo(sys.argv[1])
    except (*clusters.TROUBLE, BuildFailedError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _demo(name: str) -> None:
    started = time.monotonic()
    say("a Kubernetes cluster (compiled once, ten minutes cold)")
    cluster = clusters.up(name, node=True)
    say("the three images")
    install.load_images(cluster)
    say("helm install")
    install.install_by_helm(cluster)
    say("a web server with files, in the cluster")
    install.serve_files(cluster)
    kubectl = install.kubectl_of(cluster)
    say("one schedule by kubectl apply, one by the HTTP API")
    made = {"nightly-report": _by_kubectl(kubectl), **_by_http(cluster)}
    say("waiting for their own cron to fire: up to a minute")
    for schedule_name, file in made.items():
        completed = functools.partial(_completed, kubectl, schedule_name)
        run = wait_for(f"a run of {schedule_name}", completed, TICK_SECONDS)
        _check(kubectl, schedule_name, file, run)
    _show(kubectl, list(made))
    say(f"done in {time.monotonic() - started:.0f} s")
    _farewell(cluster)


def _by_kubectl(kubectl: Kubectl) -> str:
    kubectl.apply(
        install.claim("downloads"),
        schedule(
            "nightly-report",
            url=f"{install.WEB_URL}/files/report.csv",
            schedule=EVERY_MINUTE,
            destination={"volume": {"claimName": "downloads"}},
        ),
    )
    return "report.csv"


def _by_http(cluster: Cluster) -> dict[str, str]:
    body = {
        "name": "Price list",
        "url": f"{install.WEB_URL}/files/prices.csv",
        "cron_expression": EVERY_MINUTE,
        "namespace": "default",
        "format": "raw",
        "destination": {"volume": {"claim_name": "downloads"}},
    }
    headers = {"X-API-Key": install.api_key(cluster), "Content-Type": "application/json"}
    with install.port_forward(cluster, "download-operator-api") as url:
        request = urllib.request.Request(f"{url}/schedules", json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            made = json.load(answer)
    return {made["resource"]: "prices.csv"}


def _completed(kubectl: Kubectl, name: str) -> dict[str, Any] | None:
    runs = kubectl.get("dls", name).get("status", {}).get("history", [])
    return next((run for run in runs if run["state"] == "Completed"), None)


def _check(kubectl: Kubectl, name: str, file: str, run: dict[str, Any]) -> None:
    served = hashlib.sha256(content(file)).hexdigest()
    kept = install.sha256_on_claim(kubectl, "downloads", run["location"])
    if not served == run["sha256"] == kept:
        raise SystemExit(f"{name}: served {served}, recorded {run['sha256']}, kept {kept}")
    say(f"{name}: {run['bytes']} bytes, sha256 served = recorded = kept = {kept[:16]}…")


def _show(kubectl: Kubectl, names: list[str]) -> None:
    print(f"\n$ kubectl get dls\n{kubectl('get', 'dls')}")
    row = "{:<16}{:<28}{:<10}{:<11}{:<22}{:<9}{}"
    print(row.format("SCHEDULE", "RUN", "TRIGGER", "STATE", "COMPLETED", "BYTES", "LOCATION"))
    for name in names:
        for run in kubectl.get("dls", name)["status"]["history"]:
            shown = [run.get(part, "") for part in ("completionTime", "bytes", "location")]
            print(row.format(name, run["job"], run["trigger"], run["state"], *map(str, shown)))
    print()


def _farewell(cluster: Cluster) -> None:
    print(f"""Look around:  export KUBECONFIG={cluster.kubeconfig}
              kubectl get dls,cronjobs,jobs
              kubectl get dls nightly-report -o yaml
Stop it:      make cluster-down""")


if __name__ == "__main__":
    sys.exit(main())
