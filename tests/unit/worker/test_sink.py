"""The interface of a destination."""

from download_worker.sink import Chunk, DiscardSink, Sink


class UploadLikeSink(Sink):
    """Cannot save a part of a file."""

    def __init__(self) -> None:
        self.is_discarded = False

    def write(self, chunk: Chunk) -> None:
        del chunk

    def commit(self, sha256: str) -> str | None:
        return sha256

    def discard(self) -> None:
        self.is_discarded = True


def test_sink_that_cannot_suspend_discards() -> None:
    sink = UploadLikeSink()
    sink.checkpoint("0" * 64)
    sink.suspend()
    assert sink.is_discarded


def test_discard_sink_has_no_location() -> None:
    sink = DiscardSink()
    sink.write(b"x")
    assert sink.commit("0" * 64) is None
