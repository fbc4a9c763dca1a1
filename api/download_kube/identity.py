r"""Identify objects in JSON that is too long or too deep to parse.

Inside a JSON string every quotation mark is escaped, so no value that a stranger wrote can contain
``"name":"``. But a stranger can name an annotation ``name`` or ``resourceVersion``. Every pattern
here therefore fits in one place only.
"""

import re
from dataclasses import dataclass
from typing import Final

from download_kube.lines import Line


@dataclass(frozen=True, slots=True)
class Identity:
    """What is known of an object that cannot be read: empty or 0 is what is out of reach."""

    namespace: str = ""
    name: str = ""
    uid: str = ""
    resource_version: int = 0

    def __str__(self) -> str:
        return "/".join(filter(None, (self.namespace, self.name))) or "an object"


_TYPED: Final = re.compile(
    rb'(?:\{"type":"[A-Z]+","object":|"items":\[)?'
    rb'\{(?:"kind":"\w+","apiVersion":"[\w./]+",)?"metadata":\{'
    rb'"name":"(?P<name>[^"\\]*)",(?:"generateName":"[^"\\]*",)?'
    rb'(?:"namespace":"(?P<namespace>[^"\\]*)",)?'
    rb'"uid":"(?P<uid>[^"\\]*)","resourceVersion":"(?P<version>\d+)"'
)
"""The beginning of an object of Kubernetes' own, which may be in no namespace: Go writes these
members before all others."""

_CUSTOM: Final = re.compile(
    rb'"name":"(?P<name>[^"\\]*)","namespace":"(?P<namespace>[^"\\]*)",'
    rb'(?:"ownerReferences":\[(?:[^"\[\]]|"(?:[^"\\]|\\.)*+")*+\],)?'
    rb'"resourceVersion":"(?P<version>\d+)","uid":"(?P<uid>[^"\\]*)"\},"spec":\{'
)
"""The end of a custom resource's metadata, whose members Go sorts: only the metadata itself is
followed by the spec."""

_LIST_METADATA: Final = (
    re.compile(rb'^\{"kind":"\w+","apiVersion":"[\w./]+","metadata":(\{[^{}]*\}),"items":'),
    re.compile(rb'"metadata":(\{[^{}]*\})\}\s*$'),
)
"""Metadata of a list: of Kubernetes' own objects, at the beginning; of custom resources, at the
end."""


def identify(text: Line) -> Identity:
    """Return whose JSON *text* is: an object, an event of a watch, or its beginning."""
    match = _TYPED.match(text) or _CUSTOM.search(text)
    if match is None:
        return Identity()
    namespace, name, uid = ((match[part] or b"").decode() for part in ("namespace", "name", "uid"))
    return Identity(namespace, name, uid, int(match["version"]))


def find_list_metadata(beginning: Line, end: Line) -> bytes | None:
    """Return the metadata of a list of which only the beginning and the end are known."""
    for pattern, text in zip(_LIST_METADATA, (beginning, end), strict=True):
        if match := pattern.search(text):
            return bytes(match[1])
    return None
