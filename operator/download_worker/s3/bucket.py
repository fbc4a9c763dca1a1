"""A bucket, and the credentials for it."""

from collections.abc import Mapping
from dataclasses import dataclass

from download_worker.http.curl import ConnectionOptions


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket, and the credentials for it."""

    name: str
    endpoint: str | None
    """Address of the service; None stands for Amazon's."""
    region: str
    credentials: Mapping[str, str]
    """Values of the variables that Amazon's own tools read."""
    secret: str
    """Name of the Secret with the credentials."""
    connection: ConnectionOptions

    @property
    def url(self) -> str:
        """Address of the service."""
        return self.endpoint or f"https://s3.{self.region}.amazonaws.com"
