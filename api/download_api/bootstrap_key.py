"""Fill the Secret that the chart creates empty with a random API key, and return the key."""

import base64
import secrets
from typing import Final

from download_kube.client import KubeClient
from download_kube.errors import ApiError
from download_kube.paths import CORE, collection
from download_schedule.types import JSONObject

MEMBER: Final = "api-key"
"""Member of the Secret that holds the key."""
SECRET_TYPE: Final = "Opaque"  # noqa: S105 - a type
MAX_ATTEMPTS: Final = 5
"""How often the Secret is read again because somebody else wrote it at the same time."""


async def ensure_key(client: KubeClient, namespace: str, name: str) -> bytes:
    """Return the key in a Secret. If it has none, write a random one into it.

    Of several Pods that start at once, one writes the key and the others return it: an update
    fails if the Secret has changed since it was read.

    Raises:
        ApiError, UnreachableError: the Secret can be neither read nor written.
        LookupError: the Secret is missing, has another type, or changes all the time.
    """
    path = f"{collection(CORE, namespace, 'secrets')}/{name}"
    where = f"the Secret {name} of the namespace {namespace}"
    for _ in range(MAX_ATTEMPTS):
        secret = await _read(client, path, where)
        if key := _parse_key(secret):
            return key
        key = secrets.token_urlsafe(32).encode()
        try:
            await client.request("PUT", path, _with_key(secret, key))
            return key
        except ApiError as error:
            if not error.is_conflict:
                raise
    raise LookupError(f"somebody else keeps writing {where}; find out who, and restart the Pod")


async def _read(client: KubeClient, path: str, where: str) -> JSONObject:
    try:
        secret = await client.request("GET", path)
    except ApiError as error:
        if not error.is_not_found:
            raise
        message = f"{where} is missing; apply the chart again, which creates it without a key"
        raise LookupError(message) from None
    if secret["type"] != SECRET_TYPE:
        raise LookupError(
            f"{where} has the type {secret['type']} instead of {SECRET_TYPE}; delete it and apply "
            "the chart again, or name a Secret of yours in api.existingSecret"
        )
    return secret


def _parse_key(secret: JSONObject) -> bytes:
    """Return the key in a Secret; empty if it has none."""
    return base64.b64decode((secret.get("data") or {}).get(MEMBER, "")).strip()


def _with_key(secret: JSONObject, key: bytes) -> JSONObject:
    data = {**(secret.get("data") or {}), MEMBER: base64.b64encode(key).decode()}
    return {**secret, "data": data}
