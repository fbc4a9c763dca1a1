"""What errors of the API server mean to a caller of ours."""

from download_api.problems.problem import ProblemError, cluster_unavailable
from download_kube.errors import ApiError


def to_problem(error: ApiError) -> ProblemError:
    """Return the problem that a refusal of the API server is to the caller."""
    match error.status:
        case 403:
            return ProblemError(403, "forbidden", str(error))
        case 404:
            return ProblemError(404, "not_found", str(error))
        case 409:
            return ProblemError(409, "conflict", str(error), {"Retry-After": "1"})
        case 400 | 422:
            return ProblemError(422, "validation_error", str(error))
    return cluster_unavailable()
