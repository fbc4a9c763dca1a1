"""Make the API key when the chart is installed: a Secret, once, and a file for this Pod."""

import base64
import secrets
from typing import Final

from download_kube.client import ApiError, KubeClient

MEMBER: Final = "api-key"


async def make_key(cluster: KubeClient, namespace: str, name: str) -> bytes:
    """Return the key in the Secret; make the Secret first where there is none.

    Raises:
        ApiError, UnreachableError: the Secret can be neither read nor made.
        LookupError: it is there without a key.
    """
    path = f"/api/v1/namespaces/{namespace}/secrets"
    try:
        secret = await cluster.request("GET", f"{path}/{name}")
    except ApiError as error:
        if error.status != 404:
            raise
        secret = await _create(cluster, path, name)
    key = base64.b64decode((secret.get("data") or {}).get(MEMBER, "")).strip()
    if not key:
        raise LookupError(
            f"The Secret {name} of the namespace {namespace} has no {MEMBER}: write one there, or "
            "delete the Secret, and one is made."
        )
    return key


async def _create(cluster: KubeClient, path: str, name: str) -> dict[str, dict[str, str]]:
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "data": {MEMBER: base64.b64encode(secrets.token_urlsafe(32).encode()).decode()},
    }
    try:
        return await cluster.request("POST", path, body)
    except ApiError as error:
        if error.reason != "AlreadyExists":
            raise
    return await cluster.request("GET", f"{path}/{name}")
