"""The form of a problem response."""

import json

from download_api.problems.problem import ProblemError


def test_problem_response_also_has_the_error_of_the_seed_api() -> None:
    response = ProblemError(409, "conflict", "Try again.", {"Retry-After": "1"}).response()
    assert response.status_code == 409
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.headers["Retry-After"] == "1"
    assert json.loads(bytes(response.body)) == {
        "type": "about:blank",
        "title": "Try again.",
        "status": 409,
        "detail": {"success": False, "error": "Try again.", "error_type": "conflict"},
    }
