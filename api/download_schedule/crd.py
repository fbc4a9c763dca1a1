"""The custom resource definition, made from the models: ``python -m download_schedule.crd``.

pydantic's JSON schema is not yet what the API server calls structural: references must be inlined,
"optional" is absence and not ``null``, and some keywords are unknown to it.
"""

import sys
from pathlib import Path
from typing import Any, Final

from download_schedule.model import GROUP, KIND, PLURAL, VERSION, Model, Spec, Status

PRINTER_COLUMNS: Final = (
    {"name": "Schedule", "type": "string", "jsonPath": ".spec.schedule"},
    {"name": "Suspend", "type": "boolean", "jsonPath": ".spec.suspend"},
    {"name": "Last", "type": "string", "jsonPath": ".status.history[0].state"},
    {"name": "Last Success", "type": "date", "jsonPath": ".status.lastSuccessTime"},
    {"name": "Next", "type": "string", "jsonPath": ".status.nextRunTime"},
    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    {"name": "URL", "type": "string", "jsonPath": ".spec.url", "priority": 1},
)


def build_crd() -> dict[str, Any]:
    """Return the CustomResourceDefinition of :class:`download_schedule.model.Spec`."""
    schema = {
        "type": "object",
        "description": "Fetches a URL on a schedule, keeps the file and remembers every run.",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": structural(Spec),
            "status": _without_defaults(structural(Status)),
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


def structural(model: type[Model]) -> dict[str, Any]:
    """Return the structural OpenAPI v3 schema of *model*, as a CRD wants it."""
    schema = model.model_json_schema(by_alias=True, mode="validation")
    result: dict[str, Any] = _structural(schema, schema.get("$defs", {}))
    return result


def _without_defaults(schema: dict[str, Any]) -> dict[str, Any]:
    """What the API server adds to a status would look like a difference to whoever wrote it."""
    plain = {key: value for key, value in schema.items() if key != "default"}
    if "properties" in plain:
        plain["properties"] = {
            name: _without_defaults(value) for name, value in plain["properties"].items()
        }
    if "items" in plain:
        plain["items"] = _without_defaults(plain["items"])
    return plain


_UNKNOWN_TO_CRDS: Final = frozenset({"title", "additionalProperties", "$defs", "$ref", "anyOf"})


def _structural(node: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    flat = _flatten(node, definitions)
    schema = {key: value for key, value in flat.items() if key not in _UNKNOWN_TO_CRDS}
    if "description" in schema:
        schema["description"] = " ".join(schema["description"].replace("``", "`").split())
    if not isinstance(schema.get("default"), str | int | bool):
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


def _flatten(node: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """Inline a reference and unwrap "or null"; what stands beside them wins."""
    if "$ref" in node:
        target = definitions[node["$ref"].rpartition("/")[2]]
        return _flatten({**target, **{k: v for k, v in node.items() if k != "$ref"}}, definitions)
    if "anyOf" in node:
        (inner,) = (option for option in node["anyOf"] if option != {"type": "null"})
        return _flatten({**inner, **{k: v for k, v in node.items() if k != "anyOf"}}, definitions)
    return node


def main() -> None:
    """Write the definition to the path given, or to ``manifests/crd.yaml``."""
    import yaml  # noqa: PLC0415 - a tool of this command alone, not of the processes

    path = Path(sys.argv[1] if len(sys.argv) > 1 else "manifests/crd.yaml")
    text = yaml.safe_dump(build_crd(), sort_keys=False, width=100, allow_unicode=True)
    path.write_text(f"# Generated by python -m download_schedule.crd; do not edit.\n{text}")


if __name__ == "__main__":
    main()
