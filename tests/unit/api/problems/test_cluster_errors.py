"""Errors of the API server as problems of our callers."""

import pytest

from download_api.problems.cluster_errors import to_problem
from download_kube.errors import ApiError


@pytest.mark.parametrize(
    ("status", "expected"),
    [(400, 422), (403, 403), (404, 404), (409, 409), (422, 422), (429, 503), (500, 503)],
)
def test_refusal_of_the_api_server_becomes_a_problem(status: int, expected: int) -> None:
    assert to_problem(ApiError(status, "", "why")).status == expected
