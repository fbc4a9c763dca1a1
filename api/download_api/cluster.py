"""The API server as the HTTP API talks to it: JSON in, JSON out, every failure an exception."""

import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, Configuration

JSON = dict[str, Any]

FIELD_MANAGER: Final = "download-operator-api"
"""The API server names the manager of the fields we write by the user agent."""
TIMEOUT: Final = aiohttp.ClientTimeout(total=10)
"""A person or program is waiting for the answer."""


class ClusterError(Exception):
    """The API server answered, and refused.

    Attributes:
        status: HTTP status code, 400 to 599.
        reason: Kubernetes' word for it, such as ``AlreadyExists``; empty if there is none.
    """

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class UnreachableError(Exception):
    """No answer came from the API server."""


class Cluster:
    """One connection pool and identity for all requests."""

    def __init__(self, api: ApiClient) -> None:
        self._api = api

    @classmethod
    async def connect(cls) -> "Cluster":
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
            ClusterError: the API server refused.
            UnreachableError: no answer came within ten seconds.
        """
        headers = {"Accept": "application/json", "User-Agent": FIELD_MANAGER}
        await self._api.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
        url = self._api.configuration.host + path + (f"?{urlencode(query)}" if query else "")
        try:
            answer = await self._api.call_api(method, url, headers, body, _request_timeout=TIMEOUT)
            text = await answer.response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise UnreachableError(str(error) or type(error).__name__) from error
        result: JSON = _parsed(text)
        if answer.status >= 400:
            message = result.get("message") or f"the API server answered {answer.status}"
            raise ClusterError(answer.status, result.get("reason") or "", message)
        return result


def _parsed(text: bytes) -> JSON:
    try:
        parsed = json.loads(text)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}
