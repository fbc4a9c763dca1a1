"""From what callers send to the resource. Pure."""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from download_api.casing import to_snake_case
from download_api.problems.problem import ProblemError
from download_api.problems.validation import Location, describe_errors, dotted
from download_api.schema.cron import parse_expression
from download_api.schema.from_resource import SPEC_MEMBERS, to_fields
from download_api.schema.ids import DISPLAY_NAME_ANNOTATION
from download_api.schema.models import NewSchedule
from download_schedule.model import API_VERSION, KIND, Spec
from download_schedule.types import JSONObject

ModelT = TypeVar("ModelT", bound=BaseModel)

MERGE_PATCH: Final = "application/merge-patch+json"


def build_resource(new: NewSchedule, namespace: str, name: str) -> JSONObject:
    """Return the resource for a new schedule.

    Raises:
        ProblemError: 400 for an invalid cron expression, as in the seed API; 422 for anything else.
    """
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {
            "namespace": namespace,
            "name": name,
            "annotations": {DISPLAY_NAME_ANNOTATION: new.name},
        },
        "spec": _build_spec(new).to_resource(),
    }


def apply_patch(resource: JSONObject, changes: Mapping[str, Any]) -> JSONObject:
    """Return *resource* with a merge patch (RFC 7396) to its members as a new schedule.

    Raises:
        ProblemError: see :func:`replace_fields`.
    """
    _check_namespace(resource, changes.get("namespace"))
    try:
        fields = merge(to_fields(resource), changes)
    except RecursionError:
        message = "body: its objects are nested too deeply; no member of a schedule needs that"
        raise ProblemError(422, "validation_error", message) from None
    return replace_fields(resource, _validate(NewSchedule, fields, dotted))


def replace_fields(resource: JSONObject, new: NewSchedule) -> JSONObject:
    """Return *resource* with every member that a new schedule has.

    Members of the spec that are equal already stay as they were written, and so does everything
    that the API does not show.

    Raises:
        ProblemError: 400 for an invalid cron expression; 422 for anything else, such as another
            namespace.
    """
    metadata, spec = resource["metadata"], resource["spec"]
    _check_namespace(resource, new.namespace)
    built = build_resource(new, metadata["namespace"], metadata["name"])
    before, after = to_fields(resource), new.model_dump(mode="json", exclude_none=True)
    changed = {_spec_member(name) for name in before if after.get(name) != before[name]}
    return {
        **resource,
        "metadata": {
            **metadata,
            "annotations": {
                **metadata.get("annotations", {}),
                **built["metadata"]["annotations"],
            },
        },
        "spec": {
            **{member: value for member, value in spec.items() if member not in changed},
            **{member: value for member, value in built["spec"].items() if member in changed},
        },
    }


def set_suspend(resource: JSONObject, suspend: bool) -> JSONObject:
    """Return *resource* with new runs stopped or allowed."""
    return {**resource, "spec": {**resource["spec"], "suspend": suspend}}


def merge(target: Any, changes: Any) -> Any:
    """Return *target* with a merge patch applied (RFC 7396)."""
    if not isinstance(changes, Mapping):
        return changes
    merged = dict(target) if isinstance(target, Mapping) else {}
    for name, value in changes.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge(merged.get(name), value)
    return merged


_SPEC_MEMBERS_APART: Final = {
    "headers": "request",
    "secret_headers": "request",
    "enabled": "suspend",
}


def _spec_member(name: str) -> str:
    """Return the member of the spec that holds a member of a new schedule; empty if none does."""
    return _SPEC_MEMBERS_APART.get(name) or SPEC_MEMBERS.get(name, "")


def _check_namespace(resource: JSONObject, namespace: Any) -> None:
    if namespace not in (None, resource["metadata"]["namespace"]):
        message = "namespace: a schedule cannot move; create another one there"
        raise ProblemError(422, "validation_error", message)


def _build_spec(new: NewSchedule) -> Spec:
    parse_expression(new.cron_expression, new.time_zone, uid="")
    members = new.model_dump(
        exclude=set(NewSchedule.model_fields) - SPEC_MEMBERS.keys() | {"cron_expression"},
        exclude_none=True,
    )
    headers: list[JSONObject] = [
        {"name": name, "value": value} for name, value in new.headers.items()
    ]
    headers += [
        {"name": name, "value_from": {"secret_key_ref": key.model_dump()}}
        for name, key in new.secret_headers.items()
    ]
    return _validate(
        Spec,
        {
            **members,
            "schedule": new.cron_expression,
            "suspend": not new.enabled,
            "request": {**members["request"], "headers": headers},
        },
        _in_api_spelling,
    )


def _validate(
    model: type[ModelT], value: Mapping[str, Any], spell_location: Callable[[Location], str]
) -> ModelT:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        message = describe_errors(error.errors(), spell_location)
        raise ProblemError(422, "validation_error", message) from None


_API_SPELLING: Final = {
    "schedule": "cron_expression",
    "suspend": "enabled",
    "request.headers": "headers and secret_headers",
}


def _in_api_spelling(location: Location) -> str:
    """Return where callers wrote a member of the resource."""
    path = to_snake_case(dotted(location))
    return _API_SPELLING.get(path, path)
