"""Where the bytes of an attempt go: the interface of every destination."""

from abc import ABC, abstractmethod

Chunk = bytes | bytearray | memoryview


class Sink(ABC):
    """Takes the bytes of one attempt in order, and then saves them or drops them.

    Every method may raise OSError or DownloadError where the destination refuses.
    """

    @abstractmethod
    def write(self, chunk: Chunk) -> None:
        """Take the next bytes."""

    # Not abstract: few destinations can save a part of a file.
    def checkpoint(self, sha256: str) -> None:  # noqa: B027
        """Make what has been written so far, with this digest, survive the process."""

    @abstractmethod
    def commit(self, sha256: str) -> str | None:
        """Save what has been written, with this digest; return where, as in the result document."""

    @abstractmethod
    def discard(self) -> None:
        """Drop what has been written. Does nothing after a commit."""

    def suspend(self) -> None:
        """Leave what has been written to a later attempt where that is possible, or drop it.

        Does nothing after a commit.
        """
        self.discard()


class DiscardSink(Sink):
    """Saves nothing."""

    def write(self, chunk: Chunk) -> None:
        """Drop the bytes."""

    def commit(self, sha256: str) -> str | None:  # noqa: ARG002 - there is nothing to record
        """Do nothing; there is no location."""
        return None

    def discard(self) -> None:
        """Do nothing."""
