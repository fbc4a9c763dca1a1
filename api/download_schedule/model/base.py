"""Name of the resource, and what all its models have in common."""

from typing import Any, Final

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

GROUP: Final = "downloads.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
KIND: Final = "DownloadSchedule"
PLURAL: Final = "downloadschedules"


class Model(BaseModel):
    """Base of every model: camelCase in JSON, no unknown members, immutable."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
    )

    def to_resource(self) -> dict[str, Any]:
        """Return the value as the API server stores it: camelCase, JSON types, no unset members."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def map_keyed_by(key: str) -> dict[str, Any]:
    """Return the schema members of a list in which every *key* occurs once."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]}
