"""Request runs with real Pods, and wait for them."""

from typing import Any

from tools.cluster.kubectl import Kubectl, wait_for

START_SECONDS = 60.0
END_SECONDS = 150.0


def secret(name: str, **values: str) -> dict[str, Any]:
    metadata = {"name": name}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": values}


def runs(kubectl: Kubectl, name: str) -> list[dict[str, Any]]:
    history: list[dict[str, Any]] = kubectl.get("dls", name).get("status", {}).get("history", [])
    return history


def run_of(kubectl: Kubectl, name: str, *states: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        newest = next(iter(runs(kubectl, name)), None)
        return newest if newest and newest["state"] in states else None

    return wait_for(f"{name} to be {states}", look, END_SECONDS, every=1)


def ended(kubectl: Kubectl, name: str) -> dict[str, Any]:
    return run_of(kubectl, name, "Completed", "Failed")


def ask(kubectl: Kubectl, name: str, token: str) -> None:
    kubectl("annotate", f"dls/{name}", f"downloads.dev/run-requested={token}", "--overwrite")


def wait_for_run(
    kubectl: Kubectl, name: str, token: str, timeout: float = START_SECONDS, **members: Any
) -> dict[str, Any]:
    """Wait until the run for *token* has these members."""

    def look() -> dict[str, Any] | None:
        return next(
            (
                run
                for run in runs(kubectl, name)
                if run.get("token") == token and members.items() <= run.items()
            ),
            None,
        )

    return wait_for(f"{name}'s run {token} with {members}", look, timeout, every=0.5)
