"""Bodies that come packed, in pieces of any size."""

import gzip
import random
import sys
from collections.abc import Callable

import brotli
import pytest

from download_worker.errors import DownloadError, Reason
from download_worker.http.decoding import PIECE_BYTES, Decoder, decoder_of
from download_worker.http.messages import Response

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

Pack = Callable[[bytes], bytes]
PACKS: dict[str, Pack] = {"gzip": gzip.compress, "br": brotli.compress, "zstd": zstd.compress}
BODY = random.Random(1).randbytes(700) + b"again and " * 300
CODINGS = pytest.mark.parametrize("coding", list(PACKS))


def unpacked(coding: str, packed: bytes, step: int) -> bytes:
    decoder = Decoder(coding)
    chunks = (packed[start : start + step] for start in range(0, len(packed), step))
    body = b"".join(piece for chunk in chunks for piece in decoder.pieces(chunk))
    decoder.finish()
    return body


@CODINGS
@pytest.mark.parametrize("step", [1, 7, 100_000])
def test_the_size_of_chunks_makes_no_difference(coding: str, step: int) -> None:
    assert unpacked(coding, PACKS[coding](BODY), step) == BODY


@CODINGS
def test_a_cut_at_any_byte_is_told(coding: str) -> None:
    packed = PACKS[coding](BODY)
    for end in range(1, len(packed)):
        with pytest.raises(DownloadError) as caught:
            unpacked(coding, packed[:end], 100_000)
        assert caught.value.reason is Reason.INCOMPLETE_BODY


@CODINGS
@pytest.mark.parametrize("step", [1, 7, 100_000])
@pytest.mark.parametrize("more", ["again", "rubbish"])
def test_what_follows_is_the_same_in_chunks_of_any_size(coding: str, step: int, more: str) -> None:
    packed = PACKS[coding](BODY)
    whole = packed + (packed if more == "again" else b"rubbish")
    if more == "again" and coding != "br":
        assert unpacked(coding, whole, step) == BODY * 2
    else:
        with pytest.raises(DownloadError, match=r"request\.compressed: false, and format raw"):
            unpacked(coding, whole, step)


@CODINGS
def test_a_bomb_comes_in_small_pieces(coding: str) -> None:
    packed = PACKS[coding](bytes(50_000_000))
    sizes = [len(piece) for piece in Decoder(coding).pieces(packed)]
    assert sum(sizes) == 50_000_000
    assert max(sizes) <= 2 * PIECE_BYTES


def test_a_window_of_more_than_the_web_allows_is_refused() -> None:
    wide: dict[int, int] = {zstd.CompressionParameter.window_log: 27}
    packed = zstd.compress(random.Random(2).randbytes(20_000_000), options=wide)
    with pytest.raises(DownloadError, match=r"request\.compressed: false, and format raw"):
        unpacked("zstd", packed, 100_000)


@pytest.mark.parametrize(
    ("coding", "packed"),
    [("", False), ("identity", False), ("GZIP", True), (" x-gzip ", True), ("br", True)],
)
def test_the_head_says_how_it_is_packed(coding: str, packed: bool) -> None:
    response = Response("http://x/", headers={"content-encoding": coding})
    assert (decoder_of(response) is not None) == packed
