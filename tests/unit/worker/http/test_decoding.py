"""Compressed bodies, in chunks of any size."""

import gzip
import random
import sys
from collections.abc import Callable

import brotli
import pytest

from download_worker.errors import DownloadError, Reason
from download_worker.http.decoding import PIECE_BYTES, Decoder, decoder_for
from download_worker.http.messages import Response

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

Compress = Callable[[bytes], bytes]
COMPRESSORS: dict[str, Compress] = {
    "gzip": gzip.compress,
    "br": brotli.compress,
    "zstd": zstd.compress,
}
BODY = random.Random(1).randbytes(700) + b"again and " * 300
CODINGS = pytest.mark.parametrize("coding", list(COMPRESSORS))


def decode(coding: str, compressed: bytes, step: int) -> bytes:
    decoder = Decoder(coding)
    chunks = (compressed[start : start + step] for start in range(0, len(compressed), step))
    body = b"".join(piece for chunk in chunks for piece in decoder.decode(chunk))
    decoder.finish()
    return body


@CODINGS
@pytest.mark.parametrize("step", [1, 7, 100_000])
def test_size_of_chunks_makes_no_difference(coding: str, step: int) -> None:
    assert decode(coding, COMPRESSORS[coding](BODY), step) == BODY


@CODINGS
def test_cut_at_any_byte_is_noticed(coding: str) -> None:
    compressed = COMPRESSORS[coding](BODY)
    for end in range(1, len(compressed)):
        with pytest.raises(DownloadError) as caught:
            decode(coding, compressed[:end], 100_000)
        assert caught.value.reason is Reason.INCOMPLETE_BODY


@CODINGS
@pytest.mark.parametrize("step", [1, 7, 100_000])
@pytest.mark.parametrize("suffix", ["again", "rubbish"])
def test_bytes_after_the_end_are_decoded_or_refused(coding: str, step: int, suffix: str) -> None:
    compressed = COMPRESSORS[coding](BODY)
    whole = compressed + (compressed if suffix == "again" else b"rubbish")
    if suffix == "again" and coding != "br":
        assert decode(coding, whole, step) == BODY * 2
    else:
        with pytest.raises(DownloadError, match=r"request\.compressed: false, and format raw"):
            decode(coding, whole, step)


@CODINGS
def test_compression_bomb_comes_in_small_pieces(coding: str) -> None:
    compressed = COMPRESSORS[coding](bytes(50_000_000))
    sizes = [len(piece) for piece in Decoder(coding).decode(compressed)]
    assert sum(sizes) == 50_000_000
    assert max(sizes) <= 2 * PIECE_BYTES


def test_larger_window_than_the_web_allows_is_refused() -> None:
    wide: dict[int, int] = {zstd.CompressionParameter.window_log: 27}
    compressed = zstd.compress(random.Random(2).randbytes(20_000_000), options=wide)
    with pytest.raises(DownloadError, match=r"request\.compressed: false, and format raw"):
        decode("zstd", compressed, 100_000)


@pytest.mark.parametrize(
    ("coding", "compressed"),
    [("", False), ("identity", False), ("GZIP", True), (" x-gzip ", True), ("br", True)],
)
def test_header_says_whether_the_body_is_compressed(coding: str, compressed: bool) -> None:
    response = Response("http://x/", headers={"content-encoding": coding})
    assert (decoder_for(response) is not None) == compressed
