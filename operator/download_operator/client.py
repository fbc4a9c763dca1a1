"""The API server as the operator talks to it: JSON in, JSON out, every failure an exception."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, Configuration

JSON = dict[str, Any]

FIELD_MANAGER: Final = "download-operator"
"""The API server names the manager of the fields we write by the user agent."""
REQUEST_TIMEOUT: Final = aiohttp.ClientTimeout(total=30)
"""Of one request; a watch has limits of its own."""


class ApiError(Exception):
    """The API server answered, and refused.

    Attributes:
        status: HTTP status code, 400 to 599.
        reason: Kubernetes' word for it, such as ``AlreadyExists``; empty if there is none.
    """

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


UNREACHABLE: Final = (aiohttp.ClientError, TimeoutError, OSError)
"""What a request raises when no answer came."""


class KubeClient:
    """One connection pool and identity, used for everything the operator says.

    Bodies and answers are plain dictionaries: the client library's typed models cost more than
    the request itself.
    """

    def __init__(self, api: ApiClient) -> None:
        self._api = api

    @classmethod
    async def connect(cls) -> "KubeClient":
        """Log in as the Pod's service account, or by the kubeconfig where there is none.

        Raises:
            kubernetes.aio.config.ConfigException: neither is there.
        """
        configuration = Configuration()
        try:
            config.load_incluster_config(client_configuration=configuration)
        except config.ConfigException:
            await config.load_kube_config(client_configuration=configuration)
        return cls(ApiClient(configuration))

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()

    async def request(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> JSON:
        """Send one request and return the answer.

        Raises:
            ApiError: the API server refused.
            aiohttp.ClientError, TimeoutError, OSError: no answer came (see :data:`UNREACHABLE`).
        """
        response = await self._send(method, path, body, query, REQUEST_TIMEOUT)
        return _answer(response.status, await response.read())

    @asynccontextmanager
    async def lines(
        self, path: str, query: Mapping[str, str], silence: float
    ) -> AsyncIterator[aiohttp.StreamReader]:
        """Open a stream of lines; *silence* is how many seconds may pass without a byte.

        Raises:
            ApiError, aiohttp.ClientError, TimeoutError, OSError: as for :meth:`request`.
        """
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=30, sock_read=silence)
        response = await self._send("GET", path, None, query, timeout)
        try:
            if response.status >= 400:
                _answer(response.status, await response.read())
            yield response.content
        finally:
            response.close()

    async def _send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        query: Mapping[str, str] | None,
        limits: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        headers = {"Accept": "application/json", "User-Agent": FIELD_MANAGER}
        await self._api.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
        url = self._api.configuration.host + path + (f"?{urlencode(query)}" if query else "")
        answer = await self._api.call_api(method, url, headers, body, _request_timeout=limits)
        response: aiohttp.ClientResponse = answer.response
        return response


def _answer(status: int, text: bytes) -> JSON:
    try:
        answer = json.loads(text)
    except ValueError:
        answer = {}
    if status >= 400:
        message = answer.get("message") or f"the API server answered {status}"
        raise ApiError(status, answer.get("reason") or "", message)
    result: JSON = answer
    return result
