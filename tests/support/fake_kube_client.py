"""A client of the API server that returns prepared responses and records what was sent."""

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from download_kube.client import JSON_TYPE, TABLE_TYPE
from download_schedule.types import JSONObject


@dataclass(frozen=True)
class SentRequest:
    """One request to the API server."""

    method: str
    path: str
    body: Any
    query: dict[str, str]
    content_type: str


class FakeKubeClient:
    """Returns or raises its responses, one for each request."""

    def __init__(self, *responses: JSONObject | Exception) -> None:
        self._responses = iter(responses)
        self.sent: list[SentRequest] = []

    async def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        query: dict[str, str] | None = None,
        accept: str = JSON_TYPE,
        content_type: str = JSON_TYPE,
    ) -> JSONObject:
        assert accept in {JSON_TYPE, TABLE_TYPE}
        self.sent.append(SentRequest(method, path, deepcopy(body), query or {}, content_type))
        response = next(self._responses)
        if isinstance(response, Exception):
            raise response
        return response

    def methods(self) -> list[str]:
        """Return the methods of all requests, in order."""
        return [request.method for request in self.sent]
