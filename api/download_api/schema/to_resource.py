"""From what callers want to the resource that says so. Pure."""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from download_api.casing import snake_case
from download_api.problems import ProblemError, as_sent, sentences
from download_api.schema.cron import parsed
from download_api.schema.from_resource import DISPLAY_NAME, MEMBERS, wishes
from download_api.schema.models import NewSchedule
from download_schedule.model import API_VERSION, KIND, Spec

JSON = dict[str, Any]
MERGE_PATCH: Final = "application/merge-patch+json"
Checked = TypeVar("Checked", bound=BaseModel)


def manifest(new: NewSchedule, namespace: str, name: str) -> JSON:
    """Return the resource that *new* asks for.

    Raises:
        ProblemError: 400 for a bad cron expression, as in the seed; 422 for anything else.
    """
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {
            "namespace": namespace,
            "name": name,
            "annotations": {DISPLAY_NAME: new.name},
        },
        "spec": _spec(new).to_resource(),
    }


def patched(resource: JSON, changes: Mapping[str, Any]) -> JSON:
    """Return *resource* with *changes* to it as a new schedule: a merge patch (RFC 7396).

    Raises:
        ProblemError: as for :func:`replaced`.
    """
    _stays(resource, changes.get("namespace"))
    try:
        merged = merge(wishes(resource), changes)
    except RecursionError:
        sentence = "body: its objects are nested too deeply; no member of a schedule needs that"
        raise ProblemError(422, "validation_error", sentence) from None
    return replaced(resource, _checked(NewSchedule, merged, as_sent))


def replaced(resource: JSON, new: NewSchedule) -> JSON:
    """Return *resource* as *new* wants it; what does not differ, and what only the resource can
    say, stays as it is.

    Raises:
        ProblemError: as for :func:`manifest`; 422 also where it would have to move.
    """
    metadata, spec = resource["metadata"], resource["spec"]
    _stays(resource, new.namespace)
    made = manifest(new, metadata["namespace"], metadata["name"])
    wanted, stored = new.model_dump(mode="json", exclude_none=True), wishes(resource)
    differing = {_member(name) for name in stored if wanted.get(name) != stored[name]}
    kept = {name: value for name, value in spec.items() if name not in differing}
    fresh = {name: value for name, value in made["spec"].items() if name in differing}
    annotations = {**metadata.get("annotations", {}), **made["metadata"]["annotations"]}
    return {
        **resource,
        "metadata": {**metadata, "annotations": annotations},
        "spec": {**kept, **fresh},
    }


def suspended(resource: JSON, suspend: bool) -> JSON:
    """Return *resource* with no new runs, or with them again."""
    return {**resource, "spec": {**resource["spec"], "suspend": suspend}}


def merge(target: Any, changes: Any) -> Any:
    """Return *target* with a merge patch applied (RFC 7396)."""
    if not isinstance(changes, Mapping):
        return changes
    base = target if isinstance(target, Mapping) else {}
    kept = {name: value for name, value in base.items() if name not in changes}
    given = {
        name: merge(base.get(name), value) for name, value in changes.items() if value is not None
    }
    return {**kept, **given}


_ELSEWHERE: Final = {"headers": "request", "secret_headers": "request", "enabled": "suspend"}


def _member(name: str) -> str:
    return _ELSEWHERE.get(name) or MEMBERS.get(name, "")


def _stays(resource: JSON, namespace: Any) -> None:
    if namespace not in (None, resource["metadata"]["namespace"]):
        sentence = "namespace: a schedule stays where it is; make another one there"
        raise ProblemError(422, "validation_error", sentence)


def _spec(new: NewSchedule) -> Spec:
    parsed(new.cron_expression, new.time_zone, "")
    wanted = new.model_dump(
        exclude=set(NewSchedule.model_fields) - MEMBERS.keys() | {"cron_expression"},
        exclude_none=True,
    )
    headers: list[JSON] = [{"name": name, "value": value} for name, value in new.headers.items()]
    for name, key in new.secret_headers.items():
        headers.append({"name": name, "value_from": {"secret_key_ref": key.model_dump()}})
    return _checked(
        Spec,
        {
            **wanted,
            "schedule": new.cron_expression,
            "suspend": not new.enabled,
            "request": {**wanted["request"], "headers": headers},
        },
        _of_the_api,
    )


def _checked(
    shape: type[Checked],
    value: Mapping[str, Any],
    where: Callable[[tuple[int | str, ...]], str],
) -> Checked:
    try:
        return shape.model_validate(value)
    except ValidationError as error:
        raise ProblemError(422, "validation_error", sentences(error.errors(), where)) from None


_OF_THE_API: Final = {
    "schedule": "cron_expression",
    "suspend": "enabled",
    "request.headers": "headers and secret_headers",
}


def _of_the_api(location: tuple[int | str, ...]) -> str:
    """Return where a member of the resource is in the API's own shape."""
    spelled = snake_case(as_sent(location))
    return _OF_THE_API.get(spelled, spelled)
