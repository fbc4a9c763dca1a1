"""The custom resource definition, built from the models: ``python -m download_schedule.crd``.

The API server needs a structural schema, which pydantic does not generate: references are inlined,
an optional member may be absent but not ``null``, and only some keywords are allowed.
"""

import sys
from pathlib import Path
from typing import Final

from download_schedule.model import GROUP, KIND, PLURAL, VERSION, Model, Spec, Status
from download_schedule.types import JSONObject

PRINTER_COLUMNS: Final = (
    {"name": "Schedule", "type": "string", "jsonPath": ".spec.schedule"},
    {"name": "Suspend", "type": "boolean", "jsonPath": ".spec.suspend"},
    {"name": "Last", "type": "string", "jsonPath": ".status.history[0].state"},
    {"name": "Last Success", "type": "date", "jsonPath": ".status.lastSuccessTime"},
    {"name": "Next", "type": "string", "jsonPath": ".status.nextRunTime"},
    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    {"name": "URL", "type": "string", "jsonPath": ".spec.url", "priority": 1},
)


def build_crd() -> JSONObject:
    """Return the CustomResourceDefinition of :class:`download_schedule.model.Spec`."""
    schema = {
        "type": "object",
        "description": "Downloads a URL on a schedule and records the outcome of every run.",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": structural_schema(Spec),
            "status": _without_defaults(structural_schema(Status)),
        },
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": KIND,
                "listKind": f"{KIND}List",
                "plural": PLURAL,
                "singular": KIND.lower(),
                "shortNames": ["dls"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": list(PRINTER_COLUMNS),
                    "schema": {"openAPIV3Schema": schema},
                }
            ],
        },
    }


def structural_schema(model: type[Model]) -> JSONObject:
    """Return the structural OpenAPI v3 schema of *model*, as a CRD needs it."""
    schema = model.model_json_schema(by_alias=True, mode="validation")
    return _structural(schema, schema.get("$defs", {}))


def _without_defaults(schema: JSONObject) -> JSONObject:
    """Return the schema of a status without defaults.

    Otherwise the API server would add members to what the operator wrote, and the operator would
    take that for a change.
    """
    plain = {key: value for key, value in schema.items() if key != "default"}
    if "properties" in plain:
        plain["properties"] = {
            name: _without_defaults(value) for name, value in plain["properties"].items()
        }
    if "items" in plain:
        plain["items"] = _without_defaults(plain["items"])
    return plain


_NOT_ALLOWED_IN_CRDS: Final = frozenset(
    {"title", "additionalProperties", "uniqueItems", "$defs", "$ref", "anyOf"}
)


def _structural(node: JSONObject, definitions: JSONObject) -> JSONObject:
    flat = _flatten(node, definitions)
    schema = {key: value for key, value in flat.items() if key not in _NOT_ALLOWED_IN_CRDS}
    if "description" in schema:
        schema["description"] = " ".join(schema["description"].replace("``", "`").split())
    default = schema.get("default")
    if not isinstance(default, str | int | bool) and not (default and isinstance(default, list)):
        schema.pop("default", None)
    if schema["type"] == "integer":
        schema["format"] = "int64"
    if "properties" in schema:
        schema["properties"] = {
            name: _structural(value, definitions) for name, value in schema["properties"].items()
        }
    if "items" in schema:
        schema["items"] = _structural(schema["items"], definitions)
    return schema


def _flatten(node: JSONObject, definitions: JSONObject) -> JSONObject:
    """Inline a reference and unwrap "or null"; keywords beside them take precedence."""
    if "$ref" in node:
        target = definitions[node["$ref"].rpartition("/")[2]]
        return _flatten({**target, **{k: v for k, v in node.items() if k != "$ref"}}, definitions)
    if "anyOf" in node:
        (inner,) = (option for option in node["anyOf"] if option != {"type": "null"})
        return _flatten({**inner, **{k: v for k, v in node.items() if k != "anyOf"}}, definitions)
    return node


def main() -> None:
    """Write the definition to the path in the arguments, or to ``manifests/crd.yaml``."""
    import yaml  # noqa: PLC0415 - only this command needs it, and no image has it

    path = Path(sys.argv[1] if len(sys.argv) > 1 else "manifests/crd.yaml")
    text = yaml.safe_dump(build_crd(), sort_keys=False, width=100, allow_unicode=True)
    path.write_text(f"# Generated by python -m download_schedule.crd; do not edit.\n{text}")


if __name__ == "__main__":
    main()
