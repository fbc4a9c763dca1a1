"""How a request to the API server can fail."""


class ApiError(Exception):
    """The API server refused the request.

    Attributes:
        status: HTTP status code, 400 to 599.
        reason: Kubernetes' word for it, such as ``AlreadyExists``; empty if it gave none.
    """

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason

    @property
    def is_not_found(self) -> bool:
        """The object, or its namespace, does not exist."""
        return self.status == 404

    @property
    def is_conflict(self) -> bool:
        """The object was changed, or a precondition failed; also true for `already_exists`."""
        return self.status == 409

    @property
    def already_exists(self) -> bool:
        """An object of that name exists."""
        return self.reason == "AlreadyExists"

    @property
    def is_expired(self) -> bool:
        """The resource version or the continue token is too old."""
        return self.status == 410


class UnreachableError(Exception):
    """No usable response came: the connection failed, timed out, or something else responded.

    The API server never redirects. A server that does must not receive our token, nor choose what
    we read, so a redirect raises this too.
    """


class UnreadableError(UnreachableError):
    """A response came, but not a JSON object that can be read.

    Something between us responded, such as a load balancer, or the object is nested too deeply.
    """
