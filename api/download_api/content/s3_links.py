"""Links to objects in buckets, signed with credentials that the caller himself may read."""

import asyncio
import base64
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from obstore import sign
from obstore.exceptions import BaseError
from obstore.store import S3Store

from download_api.auth.access import forbidden
from download_api.auth.reviews import Caller, Right
from download_api.content.location import Place, no_content
from download_api.problems import ProblemError
from download_kube.client import ApiError, KubeClient
from download_schedule.model import S3, Destination
from download_schedule.validation import FROM_API_SERVER

if TYPE_CHECKING:
    from obstore.store import S3Credential

LINK_LIFETIME: Final = timedelta(seconds=60)
KEY_ID: Final = "AWS_ACCESS_KEY_ID"
SECRET_KEY: Final = "AWS_SECRET_ACCESS_KEY"  # noqa: S105 - its name
SESSION_TOKEN: Final = "AWS_SESSION_TOKEN"  # noqa: S105 - its name


class Buckets:
    """The buckets that schedules name."""

    def __init__(self, cluster: KubeClient) -> None:
        self._cluster = cluster

    async def link(
        self,
        caller: Caller,
        token: str | None,
        schedule: Mapping[str, Any],
        place: Place,
        method: str,
    ) -> str:
        """Return an address from which anybody may read an object for a minute.

        Nothing is connected to but the API server, in the caller's name.

        Args:
            caller: who asks.
            token: his, of the cluster; None: he came with something else.
            schedule: the resource.
            place: where the object is said to be.
            method: GET or HEAD; what the address is good for.

        Raises:
            ProblemError: 403, the caller may not read the credentials; 404, they are not there, or
                the schedule has another bucket.
            UnreachableError: the API server does not answer.
        """
        stored = schedule["spec"].get("destination", {})
        s3 = Destination.model_validate(stored, context=FROM_API_SERVER).s3
        if s3 is None or s3.bucket != place.store:
            raise no_content(
                f"The schedule does not keep its files in the bucket {place.store} (any more): its "
                "destination.s3 must name that bucket, and the Secret with the credentials."
            )
        namespace, name = schedule["metadata"]["namespace"], s3.credentials_secret_ref.name
        secret = await self._secret(caller, token, namespace, name)
        credentials = _credentials(name, secret.get("data") or {})
        return await asyncio.to_thread(signed, s3, credentials, place.path, method)

    async def _secret(
        self, caller: Caller, token: str | None, namespace: str, name: str
    ) -> dict[str, Any]:
        if token is None:
            raise ProblemError(
                403,
                "forbidden",
                f"The Secret {name} with the S3 credentials is read with your own token of the "
                "cluster, and an API key is none: send a token as Authorization: Bearer TOKEN, "
                "where the API takes tokens (api.auth: kubernetes).",
            )
        try:
            return await self._cluster.get_as(
                token, f"/api/v1/namespaces/{namespace}/secrets/{name}"
            )
        except ApiError as error:
            raise _refused(error, caller, namespace, name) from error


def signed(s3: S3, credentials: Mapping[str, str], key: str, method: str) -> str:
    """Return the address of an object with a signature; connects to nothing.

    Raises:
        ProblemError: 404, there can be no such service or object.
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
        # Not in the configuration, which variables of the environment would complete.
        credential_provider=lambda: credential,
    )
    try:
        return sign(store, "HEAD" if method == "HEAD" else "GET", key, LINK_LIFETIME)
    except BaseError:
        raise no_content(
            f"destination.s3.endpoint of the schedule is no address ({s3.endpoint}): write for "
            "example https://s3.example.com."
        ) from None
    except TypeError:  # a control character, say
        raise no_content("The status names no object that a service could have.") from None


def _credentials(name: str, data: Mapping[str, str]) -> dict[str, str]:
    """Return what a Secret says, as the worker reads it."""
    found = {}
    for variable in {KEY_ID, SECRET_KEY, SESSION_TOKEN} & data.keys():
        found[variable] = base64.b64decode(data[variable]).decode(errors="replace").strip()
    for variable in (KEY_ID, SECRET_KEY):
        if not found.get(variable):
            raise no_content(f"The Secret {name} has no {variable}: write it there.")
    return found


def _refused(error: ApiError, caller: Caller, namespace: str, name: str) -> Exception:
    match error.status:
        case 401:
            return ProblemError(
                403,
                "forbidden",
                f"The Secret {name} with the S3 credentials is read with your own token, and the "
                "API server does not take it: have one made for both audiences, the API server's "
                "own too (`kubectl create token` has --audience more than once).",
            )
        case 403:
            right = Right(verb="get", group="", resource="secrets", namespace=namespace, name=name)
            return forbidden(caller, right)
        case 404:
            return no_content(f"There is no Secret {name} with the S3 credentials: make it anew.")
    return error
