"""Compressed bodies, in chunks of any size."""

import gzip
import random
import sys
import zlib
from collections.abc import Callable

import brotli
import pytest

from download_worker.errors import DownloadError, Reason
from download_worker.http.decoding import (
    MAX_CODINGS,
    PIECE_BYTES,
    Decoder,
    UnpackedCheck,
    decoders_for,
)
from download_worker.http.messages import Response

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

Compress = Callable[[bytes], bytes]


def raw_deflate(data: bytes) -> bytes:
    return zlib.compress(data, wbits=-zlib.MAX_WBITS)


COMPRESSORS: dict[str, Compress] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstd.compress,
}
BODY = random.Random(1).randbytes(700) + b"again and " * 300
CODINGS = pytest.mark.parametrize("coding", list(COMPRESSORS))
STEPS = pytest.mark.parametrize("step", [1, 2, 3, 7, 100_000])
SKIPPABLE_FRAME = b"\x5f\x2a\x4d\x18\x03\x00\x00\x00abc"


def decode(coding: str, compressed: bytes, step: int) -> bytes:
    decoder = Decoder(coding)
    chunks = (compressed[start : start + step] for start in range(0, len(compressed), step))
    body = b"".join(piece for chunk in chunks for piece in decoder.decode(chunk))
    decoder.finish()
    return body


@CODINGS
@STEPS
def test_size_of_chunks_makes_no_difference(coding: str, step: int) -> None:
    assert decode(coding, COMPRESSORS[coding](BODY), step) == BODY


@STEPS
@pytest.mark.parametrize("level", range(10))
def test_deflate_may_lack_the_header_of_zlib(step: int, level: int) -> None:
    compressor = zlib.compressobj(level, wbits=-zlib.MAX_WBITS)
    assert decode("deflate", compressor.compress(BODY) + compressor.flush(), step) == BODY


@pytest.mark.parametrize("window_bits", range(9, 16))
def test_deflate_may_have_any_window(window_bits: int) -> None:
    assert decode("deflate", zlib.compress(BODY, wbits=window_bits), 100) == BODY


@CODINGS
def test_cut_at_any_byte_is_noticed(coding: str) -> None:
    compressed = COMPRESSORS[coding](BODY)
    for end in range(1, len(compressed)):
        with pytest.raises(DownloadError) as caught:
            decode(coding, compressed[:end], 100_000)
        assert caught.value.reason is Reason.INCOMPLETE_BODY


@STEPS
@pytest.mark.parametrize("coding", ["gzip", "zstd"])
@pytest.mark.parametrize("behind", [b"", b"\n", b"\0" * 10])
def test_streams_in_a_row_are_one_body(coding: str, step: int, behind: bytes) -> None:
    streams = COMPRESSORS[coding](BODY) + COMPRESSORS[coding](b"") + COMPRESSORS[coding](BODY)
    assert decode(coding, streams + behind, step) == BODY * 2


@STEPS
def test_frames_without_data_are_skipped(step: int) -> None:
    compressed = zstd.compress(BODY)
    assert decode("zstd", SKIPPABLE_FRAME + compressed + SKIPPABLE_FRAME * 2, step) == BODY


@STEPS
@pytest.mark.parametrize("coding", ["gzip", "deflate", "zstd"])
@pytest.mark.parametrize(
    "behind",
    [b"\0", b"\0" * 10, b"\n \n\n", b"rubbish", b"</html>", b"\x1f\x8c", b"\x28\xb5\x2f\xfe"],
)
def test_bytes_that_begin_no_other_stream_are_ignored(
    coding: str, step: int, behind: bytes
) -> None:
    assert decode(coding, COMPRESSORS[coding](BODY) + behind, step) == BODY


@STEPS
@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_another_stream_has_to_be_whole(coding: str, step: int) -> None:
    compressed = COMPRESSORS[coding](BODY)
    for end in [1, 2, 3, 4, 5, 20, len(compressed) - 1]:
        with pytest.raises(DownloadError) as caught:
            decode(coding, compressed + compressed[:end], step)
        assert caught.value.reason is Reason.INCOMPLETE_BODY


@STEPS
@pytest.mark.parametrize("compress", [brotli.compress, raw_deflate], ids=["br", "raw deflate"])
@pytest.mark.parametrize("behind", ["again", "rubbish"])
def test_bytes_behind_an_end_without_a_checksum_are_refused(
    compress: Compress, step: int, behind: str
) -> None:
    compressed = compress(BODY)
    coding = "br" if compress is brotli.compress else "deflate"
    whole = compressed + (compressed if behind == "again" else b"rubbish")
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


def decoders(encoding: str) -> list[type[Decoder | UnpackedCheck]]:
    response = Response("http://x/", headers={"content-encoding": encoding})
    return [type(decoder) for decoder in decoders_for(response)]


@pytest.mark.parametrize(
    ("encoding", "count"),
    [
        *(("", 0), ("identity", 0), ("none", 0), ("aws-chunked", 0), ("binary", 0), (",", 0)),
        *(("GZIP", 1), (" x-gzip ", 1), ("br", 1), ("deflate", 1), ("zstd", 1)),
        *(("gzip, aws-chunked", 1), ("aws-chunked,gzip", 1), ("utf-8, gzip", 1), (" ,gzip,, ", 1)),
        *(("gzip;q=1", 1), ("gzip, br", 2), ("gzip,gzip", 2), ("identity, gzip, none, br", 2)),
        (", ".join(["gzip"] * MAX_CODINGS), MAX_CODINGS),
    ],
)
def test_header_says_how_often_the_body_is_packed(encoding: str, count: int) -> None:
    assert decoders(encoding) == [Decoder] * count


@pytest.mark.parametrize(
    "encoding",
    [
        *("utf-8", "UTF-8", "iso-8859-1", "windows-1252", "7bit", "8bit", "chunked", "plain"),
        *("text/html", "charset=utf-8", "utf-8;q=1", "en-US", "amz-1.0", "no", "x" * 9000),
    ],
)
def test_name_that_means_no_packing_is_passed_over(encoding: str) -> None:
    assert decoders(encoding) == [UnpackedCheck]


@pytest.mark.parametrize(
    "encoding", ["compress", "X-Compress", "bzip2", "xz", "sdch", "exi", "gzip, compress", "dcz"]
)
def test_packing_that_cannot_be_undone_is_refused(encoding: str) -> None:
    with pytest.raises(DownloadError, match="and not one of gzip, br, zstd: write") as caught:
        decoders(encoding)
    assert caught.value.reason is Reason.BAD_RESPONSE


def test_more_codings_than_the_limit_are_refused() -> None:
    with pytest.raises(DownloadError, match="6 codings, more than the 5 accepted") as caught:
        decoders(", ".join(["gzip"] * (MAX_CODINGS + 1)))
    assert caught.value.reason is Reason.BAD_RESPONSE


@pytest.mark.parametrize("step", [1, 2, 100_000])
@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_packed_body_under_another_name_is_refused(coding: str, step: int) -> None:
    check = UnpackedCheck("utf-8")
    compressed = COMPRESSORS[coding](BODY)
    chunks = (compressed[start : start + step] for start in range(0, len(compressed), step))
    with pytest.raises(DownloadError, match="packed, but its content encoding is utf-8: write"):
        _ = [list(check.decode(chunk)) for chunk in chunks]


@pytest.mark.parametrize("body", [b"", b"\x1f", b"\x1f\x8c", b"<html>\x1f\x8b", BODY])
@pytest.mark.parametrize("step", [1, 3, 100_000])
def test_body_under_a_meaningless_name_is_passed_on(body: bytes, step: int) -> None:
    check = UnpackedCheck("utf-8")
    chunks = [body[start : start + step] for start in range(0, len(body), step)]
    assert b"".join(piece for chunk in chunks for piece in check.decode(chunk)) == body
    check.finish()
