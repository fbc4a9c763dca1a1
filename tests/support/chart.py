"""The chart as Helm renders it, and its admission policies on a cluster."""

import subprocess
from typing import Any

import yaml

from tools.cluster import binaries
from tools.generate.manifests import CHART

POLICIES = tuple(
    f"download-operator-{name}" for name in ("references", "labels", "bounds", "ownership")
)


def memory_limit_of(process: str) -> int:
    """Return how many MiB of memory the chart allows a process: ``operator`` or ``api``."""
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    mebibytes: str = values[process]["resources"]["limits"]["memory"]
    return int(mebibytes.removesuffix("Mi"))


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run helm; it may fail."""
    program = binaries.ensure("helm")["helm"]
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False)


def rendered(
    *values: str, flag: str = "--set", release: str = "x", namespace: str = "place"
) -> list[dict[str, Any]]:
    """Return the objects of the chart with these values."""
    settings = [f"{flag}={value}" for value in values]
    done = helm("template", release, str(CHART), f"--namespace={namespace}", *settings)
    assert done.returncode == 0, done.stderr
    return [item for item in yaml.safe_load_all(done.stdout) if item]


def one(items: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    """Return the object of this kind and name; there is exactly one."""
    (item,) = (i for i in items if (i["kind"], i["metadata"]["name"]) == (kind, name))
    return item
