"""Trimmed copies of namespaces."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec


class _Metadata(msgspec.Struct, rename="camel", gc=False):
    name: str
    uid: str
    resource_version: str
    labels: dict[str, str] = {}


class _JSONNamespace(msgspec.Struct, gc=False):
    metadata: _Metadata


@dataclass(frozen=True, slots=True)
class Namespace:
    """A namespace."""

    name: str
    uid: str
    resource_version: int = field(compare=False)
    labels: Mapping[str, str]
    namespace: str = ""
    """It is in none itself."""


def decode_namespace(text: msgspec.Raw) -> Namespace:
    """Return the trimmed copy of a namespace in JSON."""
    metadata = _decode(text).metadata
    version = int(metadata.resource_version)
    return Namespace(metadata.name, metadata.uid, version, metadata.labels)


_decode = msgspec.json.Decoder(_JSONNamespace).decode
