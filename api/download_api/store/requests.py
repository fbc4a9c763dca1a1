"""Parts of the requests for schedules that the modules of this folder share. Pure."""

from collections.abc import Mapping
from typing import Any

from download_api.problems.problem import ProblemError
from download_kube.errors import ApiError
from download_kube.paths import schedule_path


def path_of(resource: Mapping[str, Any]) -> str:
    """Return a schedule's path on the API server."""
    return schedule_path(resource["metadata"]["namespace"], resource["metadata"]["name"])


def sort_key(resource: Mapping[str, Any]) -> str:
    """Return the key by which the API server sorts schedules."""
    return f"{resource['metadata']['namespace']}/{resource['metadata']['name']}"


def dry_run_query(dry_run: bool) -> dict[str, str]:
    """Return the query that makes the API server check a write without storing it."""
    return {"dryRun": "All"} if dry_run else {}


def invalid_selector(error: ApiError) -> ProblemError:
    """Return the problem of a label selector that the API server cannot parse."""
    message = f"label_selector: write for example team=reports ({error})"
    return ProblemError(422, "validation_error", message)
