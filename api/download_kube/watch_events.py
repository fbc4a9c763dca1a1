"""Events of a watch, whose objects are decoded on their own."""

from typing import Final

import msgspec

from download_kube.errors import ApiError
from download_kube.identity import Identity


class ExpiredError(Exception):
    """The API server no longer has the events since our last one: list again."""


class WatchEvent(msgspec.Struct):
    """One event."""

    type: str
    """``ADDED``, ``MODIFIED``, ``DELETED``, ``BOOKMARK`` or ``ERROR``."""
    object: msgspec.Raw


class _Status(msgspec.Struct):
    """The object of an event of type ERROR."""

    code: int = 500
    reason: str = ""
    message: str = ""


class _Metadata(msgspec.Struct, rename="camel"):
    resource_version: str
    uid: str = ""
    namespace: str = ""
    name: str = ""


class _Object(msgspec.Struct):
    """What every object has, bookmarks included."""

    metadata: _Metadata


decode_event: Final = msgspec.json.Decoder(WatchEvent).decode
"""ValueError: the line is not an event."""
_decode_status: Final = msgspec.json.Decoder(_Status).decode
_decode_object: Final = msgspec.json.Decoder(_Object).decode


def read_identity(text: msgspec.Raw) -> Identity:
    """Return which object, in which version, this is. A bookmark has the version alone.

    Raises:
        ValueError, RecursionError: it cannot be read.
    """
    metadata = _decode_object(text).metadata
    version = int(metadata.resource_version)
    return Identity(metadata.namespace, metadata.name, metadata.uid, version)


def read_error(event: WatchEvent) -> ExpiredError | ApiError:
    """Return what an event of type ERROR says.

    Raises:
        ValueError: its object is not a status.
    """
    status = _decode_status(event.object)
    if status.code == 410:
        return ExpiredError()
    return ApiError(status.code, status.reason, status.message)
