"""Links to objects in buckets, signed with credentials that the caller may read themselves."""

import asyncio
import base64
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from obstore import sign
from obstore.exceptions import BaseError
from obstore.store import S3Store

from download_api.auth.access import forbidden
from download_api.auth.reviews import Caller, Permission
from download_api.content.location import FileLocation, no_content
from download_api.problems.problem import ProblemError
from download_kube.client import KubeClient
from download_kube.errors import ApiError
from download_schedule.model import S3, Destination
from download_schedule.types import JSONObject
from download_schedule.validation import FROM_API_SERVER

if TYPE_CHECKING:
    from obstore.store import S3Credential

LINK_LIFETIME: Final = timedelta(seconds=60)
KEY_ID: Final = "AWS_ACCESS_KEY_ID"
SECRET_KEY: Final = "AWS_SECRET_ACCESS_KEY"  # noqa: S105 - a name
SESSION_TOKEN: Final = "AWS_SESSION_TOKEN"  # noqa: S105 - a name


class S3Links:
    """Makes links to the objects that runs kept in their schedule's bucket."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client

    async def create(
        self,
        caller: Caller,
        token: str | None,
        schedule: Mapping[str, Any],
        location: FileLocation,
        method: str,
    ) -> str:
        """Return a URL from which anyone can read an object for a minute.

        Connects only to the API server, with the caller's token.

        Args:
            caller: who asks.
            token: their token of the cluster; None if they authenticated in another way.
            schedule: the resource.
            location: where the status says that the object is.
            method: GET or HEAD, the only method that the URL allows.

        Raises:
            ProblemError: 403, the caller may not read the Secret with the credentials; 404, the
                Secret does not exist, or the schedule uses another bucket.
            UnreachableError: the API server does not respond.
        """
        stored = schedule["spec"].get("destination", {})
        s3 = Destination.model_validate(stored, context=FROM_API_SERVER).s3
        if s3 is None or s3.bucket != location.container:
            raise no_content(
                f"The schedule does not use the bucket {location.container}, or no longer; its "
                "destination.s3 must name that bucket, and the Secret with the credentials."
            )
        namespace, name = schedule["metadata"]["namespace"], s3.credentials_secret_ref.name
        secret = await self._read_secret(caller, token, namespace, name)
        credentials = _parse_credentials(name, secret.get("data") or {})
        return await asyncio.to_thread(sign_url, s3, credentials, location.path, method)

    async def _read_secret(
        self, caller: Caller, token: str | None, namespace: str, name: str
    ) -> JSONObject:
        if token is None:
            raise ProblemError(
                403,
                "forbidden",
                f"The API reads the Secret {name} with the S3 credentials with your own token of "
                "the cluster, and you sent an API key; send a token as Authorization: Bearer TOKEN "
                "to an API that accepts tokens (api.auth: kubernetes).",
            )
        try:
            path = f"/api/v1/namespaces/{namespace}/secrets/{name}"
            return await self._client.get_as(token, path)
        except ApiError as error:
            raise _secret_problem(error, caller, namespace, name) from error


def sign_url(s3: S3, credentials: Mapping[str, str], key: str, method: str) -> str:
    """Return the signed URL of an object. Does not connect to anything.

    Raises:
        ProblemError: 404, no such service or object can exist.
    """
    credential: S3Credential = {
        "access_key_id": credentials[KEY_ID],
        "secret_access_key": credentials[SECRET_KEY],
        "token": credentials.get(SESSION_TOKEN),
        "expires_at": None,
    }
    store = S3Store(
        config={
            "bucket": s3.bucket,
            "endpoint": s3.endpoint or f"https://s3.{s3.region}.amazonaws.com",
            "region": s3.region,
            "virtual_hosted_style_request": False,
        },
        client_options={"allow_http": True},
        # obstore would complete credentials in the configuration from environment variables.
        credential_provider=lambda: credential,
    )
    try:
        return sign(store, "HEAD" if method == "HEAD" else "GET", key, LINK_LIFETIME)
    except BaseError:
        raise no_content(
            f"destination.s3.endpoint of the schedule is not an address ({s3.endpoint}); write for "
            "example https://s3.example.com."
        ) from None
    except TypeError:  # for example a control character
        raise no_content("The status names an object that cannot exist.") from None


def _parse_credentials(name: str, data: Mapping[str, str]) -> dict[str, str]:
    """Return the credentials in a Secret's data, read as the worker reads them."""
    credentials = {
        key: base64.b64decode(data[key]).decode(errors="replace").strip()
        for key in (KEY_ID, SECRET_KEY, SESSION_TOKEN)
        if key in data
    }
    for key in (KEY_ID, SECRET_KEY):
        if not credentials.get(key):
            raise no_content(f"The Secret {name} has no {key}; add it.")
    return credentials


def _secret_problem(error: ApiError, caller: Caller, namespace: str, name: str) -> Exception:
    match error.status:
        case 401:
            return ProblemError(
                403,
                "forbidden",
                f"The API reads the Secret {name} with the S3 credentials with your own token, and "
                "the API server does not accept it; request a token for the API server's audience, "
                "too (repeat --audience of `kubectl create token`).",
            )
        case 403:
            secret = Permission(
                verb="get", group="", resource="secrets", namespace=namespace, name=name
            )
            return forbidden(caller, secret)
        case 404:
            return no_content(f"The Secret {name} with the S3 credentials is missing; create it.")
    return error
