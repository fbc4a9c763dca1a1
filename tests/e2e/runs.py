"""What the tests of runs wait for."""

from typing import Any

from tests.kubectl import Kubectl, wait_for

END_SECONDS = 150.0


def secret(name: str, **values: str) -> dict[str, Any]:
    metadata = {"name": name}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": values}


def run_of(kubectl: Kubectl, name: str, *states: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        found = kubectl.get("dls", name).get("status", {}).get("history", [])
        return found[0] if found and found[0]["state"] in states else None

    return wait_for(f"{name} to be {states}", look, END_SECONDS, every=1)


def ended(kubectl: Kubectl, name: str) -> dict[str, Any]:
    return run_of(kubectl, name, "Completed", "Failed")
