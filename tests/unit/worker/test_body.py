"""A body as it is read: decoded, counted and bounded."""

import gzip

import pytest

from download_worker.body import MAX_CONVERTED_BYTES, Body
from download_worker.errors import DownloadError, Reason
from download_worker.http.decoding import PIECE_BYTES
from download_worker.http.messages import Response


def response(**headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response("http://example.com/x", "1.1", 200, named)


def test_size_counts_what_an_earlier_attempt_fetched() -> None:
    body = Body(response(), 10, decode=False, offset=4)
    assert list(body.read([b"abc", b"de"])) == [b"abc", b"de"]
    assert body.size == 9


def test_decoded_bytes_count() -> None:
    body = Body(response(content_encoding="gzip"), 10, decode=True, offset=0)
    assert b"".join(body.read([gzip.compress(b"0123456789")])) == b"0123456789"
    assert body.size == 10


def test_compressed_body_is_left_alone_unless_it_is_to_be_decoded() -> None:
    content = gzip.compress(b"x")
    body = Body(response(content_encoding="gzip"), 100, decode=False, offset=0)
    assert body.read_all([content]) == content


@pytest.mark.parametrize(("offset", "length"), [(0, 11), (4, 7)])
def test_announced_length_above_the_limit_is_refused(offset: int, length: int) -> None:
    with pytest.raises(DownloadError) as caught:
        Body(response(content_length=str(length)), 10, decode=False, offset=offset)
    assert caught.value.reason is Reason.TOO_LARGE


def test_body_above_the_limit_is_refused() -> None:
    body = Body(response(), 10, decode=False, offset=4)
    pieces = body.read([b"abcd", b"efg"])
    assert next(pieces) == b"abcd"
    with pytest.raises(DownloadError) as caught:
        next(pieces)
    assert caught.value.reason is Reason.TOO_LARGE


def test_coded_bytes_are_bounded_even_if_they_decode_to_nothing() -> None:
    body = Body(response(content_encoding="gzip"), 10, decode=True, offset=0)
    empty = gzip.compress(b"")
    with pytest.raises(DownloadError) as caught:
        body.read_all([empty] * 100_000)
    assert caught.value.reason is Reason.TOO_LARGE


def test_bytes_between_two_codings_are_bounded_even_if_they_decode_to_nothing() -> None:
    body = Body(response(content_encoding="gzip, gzip"), 10, decode=True, offset=0)
    empty = gzip.compress(b"") * 100_000
    with pytest.raises(DownloadError) as caught:
        body.read_all([gzip.compress(empty)])
    assert caught.value.reason is Reason.TOO_LARGE


def test_layers_of_a_bomb_come_in_small_pieces() -> None:
    bomb = gzip.compress(gzip.compress(gzip.compress(bytes(100_000_000))))
    body = Body(response(content_encoding="gzip, gzip, gzip"), 10**9, decode=True, offset=0)
    sizes = [len(piece) for piece in body.read([bomb])]
    assert (sum(sizes), max(sizes) <= 2 * PIECE_BYTES) == (100_000_000, True)


@pytest.mark.parametrize("cut", [1, 2])
def test_each_coding_has_to_be_complete(cut: int) -> None:
    inner = gzip.compress(b"0123456789")
    coded = gzip.compress(inner[:-1]) if cut == 1 else gzip.compress(inner)[:-1]
    body = Body(response(content_encoding="gzip, gzip"), 10, decode=True, offset=0)
    with pytest.raises(DownloadError) as caught:
        body.read_all([coded])
    assert caught.value.reason is Reason.INCOMPLETE_BODY


def test_coding_without_an_end_is_incomplete() -> None:
    body = Body(response(content_encoding="gzip"), 10, decode=True, offset=0)
    with pytest.raises(DownloadError) as caught:
        body.read_all([gzip.compress(b"x")[:-1]])
    assert caught.value.reason is Reason.INCOMPLETE_BODY


def test_body_that_does_not_fit_into_memory_cannot_be_converted() -> None:
    body = Body(response(), 2 * MAX_CONVERTED_BYTES, decode=False, offset=0)
    with pytest.raises(DownloadError, match="write format raw") as caught:
        body.read_all([bytes(MAX_CONVERTED_BYTES), b"x"])
    assert caught.value.reason is Reason.TOO_LARGE
