"""Decompress the formats of the content codings, piece by piece.

Each has the interface of Python's own ``bz2``, ``lzma`` and, from 3.14 on, ``compression.zstd``.
"""

import sys
import zlib
from collections.abc import Callable
from typing import Any, Final, NamedTuple, Protocol

_GZIP_WINDOW: Final = 16 + zlib.MAX_WBITS
"""Window size that makes zlib read a gzip header."""
_RAW_WINDOW: Final = -zlib.MAX_WBITS
"""Window size that makes zlib read deflate data without any header."""
_ZSTD_WINDOW_LOG: Final = 23
"""Largest window of zstd on the web, 8 MiB of memory (RFC 9659)."""


class Decompressor(Protocol):
    """One stream, from its first byte to its end."""

    @property
    def eof(self) -> bool:
        """Whether the stream is complete."""

    @property
    def needs_input(self) -> bool:
        """Whether nothing more can be had without further bytes."""

    @property
    def unused_data(self) -> bytes:
        """Bytes behind the end of the stream."""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Return about *max_length* bytes at most of what *data* continues."""


class StreamFormat(NamedTuple):
    """What is known of a format.

    Attributes:
        start: makes the decompressor of a stream.
        next_streams: how another stream of the same body begins. Bytes after a stream that begin
            in another way do not belong to the body.
        has_checksum: whether the end of a stream can be trusted. Bytes after one that cannot are
            an error.
    """

    start: Callable[[], Decompressor]
    next_streams: tuple[bytes, ...] = ()
    has_checksum: bool = True


def format_of(coding: str, first_byte: int) -> StreamFormat:
    """Return the format of a body in *coding*, one of gzip, deflate, br and zstd.

    ``deflate`` means the zlib format (RFC 9110, 8.4.1.2), but some servers leave out its header.
    Its lower four bits are 8, which no encoder writes at the start of deflate data itself.
    """
    if coding == "deflate":
        return _FORMATS["zlib" if first_byte & 0x0F == zlib.DEFLATED else "raw deflate"]
    return _FORMATS[coding]


class _Zlib:
    def __init__(self, window_bits: int) -> None:
        self._zlib = zlib.decompressobj(window_bits)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        piece = self._zlib.decompress(self._zlib.unconsumed_tail + data, max_length)
        self.needs_input = not self._zlib.unconsumed_tail and len(piece) < max_length
        return piece


class _Brotli:
    unused_data = b""

    def __init__(self) -> None:
        import brotli

        self._brotli: Any = brotli.Decompressor()
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return bool(self._brotli.is_finished())

    def decompress(self, data: bytes, max_length: int) -> bytes:
        piece: bytes = self._brotli.process(data, output_buffer_limit=max_length)
        self.needs_input = self._brotli.can_accept_more_data() and len(piece) < max_length
        return piece


def _zstd() -> Decompressor:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    options: dict[int, int] = {zstd.DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG}
    return zstd.ZstdDecompressor(options=options)


_GZIP_MAGIC: Final = b"\x1f\x8b"
_ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_ZSTD_SKIPPABLE_FRAMES: Final = tuple(bytes([byte]) + b"\x2a\x4d\x18" for byte in range(0x50, 0x60))
"""Frames that hold no data (RFC 8878, 3.1.2)."""

PACKED_BEGINNINGS: Final = (_GZIP_MAGIC, _ZSTD_MAGIC)
"""First bytes that only a packed body has. brotli and deflate data begin with any byte."""

_FORMATS: Final = {
    "gzip": StreamFormat(lambda: _Zlib(_GZIP_WINDOW), (_GZIP_MAGIC,)),
    "zlib": StreamFormat(lambda: _Zlib(zlib.MAX_WBITS)),
    "raw deflate": StreamFormat(lambda: _Zlib(_RAW_WINDOW), has_checksum=False),
    "br": StreamFormat(_Brotli, has_checksum=False),
    "zstd": StreamFormat(_zstd, (_ZSTD_MAGIC, *_ZSTD_SKIPPABLE_FRAMES)),
}
"""Several gzip members or zstd frames in a row are one body (RFC 1952, RFC 8878)."""
