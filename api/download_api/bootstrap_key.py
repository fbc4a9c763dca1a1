"""Create the API key when the chart is installed: once as a Secret, and as a file for this Pod."""

import base64
import secrets
from typing import Final

from download_kube.client import ApiError, KubeClient
from download_kube.paths import CORE, collection
from download_schedule.types import JSONObject

MEMBER: Final = "api-key"
"""Member of the Secret that holds the key."""


async def ensure_key(client: KubeClient, namespace: str, name: str) -> bytes:
    """Return the key in a Secret. If the Secret does not exist, create it with a random key.

    Raises:
        ApiError, UnreachableError: the Secret can be neither read nor created.
        LookupError: the Secret exists without a key.
    """
    path = collection(CORE, namespace, "secrets")
    try:
        secret = await client.request("GET", f"{path}/{name}")
    except ApiError as error:
        if not error.is_not_found:
            raise
        secret = await _create(client, path, name)
    key = base64.b64decode((secret.get("data") or {}).get(MEMBER, "")).strip()
    if not key:
        raise LookupError(
            f"the Secret {name} of the namespace {namespace} has no {MEMBER}; add one, or delete "
            "the Secret to have a new one created"
        )
    return key


async def _create(client: KubeClient, path: str, name: str) -> JSONObject:
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "data": {MEMBER: base64.b64encode(secrets.token_urlsafe(32).encode()).decode()},
    }
    try:
        return await client.request("POST", path, secret)
    except ApiError as error:
        if not error.already_exists:
            raise
    return await client.request("GET", f"{path}/{name}")  # another Pod was faster
