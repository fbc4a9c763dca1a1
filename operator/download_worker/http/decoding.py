"""Decode a compressed body as it comes, and check that it is complete.

libcurl could decode it too, but it accepts a body that is cut inside its content coding.
"""

import sys
import zlib
from collections.abc import Callable, Iterator
from typing import Any, Final, Protocol

from download_worker.errors import DownloadError, Reason
from download_worker.http.messages import Response

ACCEPTED_CODINGS: Final = "gzip, br, zstd"
"""Content codings to ask for, as in Accept-Encoding."""
PIECE_BYTES: Final = 256 * 1024
"""Approximate size of a decoded piece, however much a compression bomb holds."""

_CONCATENABLE: Final = frozenset({"gzip", "zstd"})
"""Codings in which several streams in a row are one body (RFC 1952, RFC 8878)."""
_GZIP_WINDOW: Final = 16 + zlib.MAX_WBITS
"""Window size that makes zlib read a gzip header."""
_ZSTD_WINDOW_LOG: Final = 23
"""Largest window of zstd on the web, 8 MiB of memory (RFC 9659)."""


class Decoder:
    """Decodes one body.

    Args:
        coding: one of :data:`ACCEPTED_CODINGS`.
    """

    def __init__(self, coding: str) -> None:
        self._coding = coding
        self._stream: _Decompressor | None = None

    def decode(self, chunk: bytes) -> Iterator[bytes]:
        """Decode the next bytes of the body, piece by piece.

        Raises:
            DownloadError: the body is not in this coding.
        """
        rest = bytes(chunk)
        while True:
            if self._stream is None or self._stream.eof:
                if not rest:
                    return
                if self._stream is None or self._coding in _CONCATENABLE:
                    self._stream = _DECOMPRESSORS[self._coding]()
            try:
                piece = self._stream.decompress(rest, PIECE_BYTES)
            except Exception as error:  # each library has errors of its own
                raise DownloadError(
                    Reason.BAD_RESPONSE,
                    f"The body is not {self._coding}, as the server says it is ({error}): "
                    "write request.compressed: false, and format raw or json.",
                ) from error
            rest = self._stream.unused_data if self._stream.eof else b""
            if piece:
                yield piece
            if not rest and (self._stream.eof or self._stream.needs_input):
                return

    def finish(self) -> None:
        """Check that the last stream is complete.

        Raises:
            DownloadError: it is not.
        """
        if self._stream and not self._stream.eof:
            raise DownloadError(
                Reason.INCOMPLETE_BODY, f"The body ended in the middle of its {self._coding} data."
            )


def decoder_for(response: Response) -> Decoder | None:
    """Return a decoder for the body; None if the body is not compressed.

    Raises:
        DownloadError: the body has a content coding that was not asked for.
    """
    coding = response.headers.get("content-encoding", "").strip().lower()
    coding = {"x-gzip": "gzip", "identity": ""}.get(coding, coding)
    if not coding:
        return None
    if coding not in _DECOMPRESSORS:
        raise DownloadError(
            Reason.BAD_RESPONSE,
            f"The body's content encoding is {coding}, and not one of {ACCEPTED_CODINGS}: "
            "write request.compressed: false, and format raw or json.",
            response.status,
        )
    return Decoder(coding)


class _Decompressor(Protocol):
    """The interface of Python's own ``bz2``, ``lzma`` and, from 3.14 on, ``compression.zstd``."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _Gzip:
    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(_GZIP_WINDOW)
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


def _zstd() -> _Decompressor:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    options: dict[int, int] = {zstd.DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG}
    return zstd.ZstdDecompressor(options=options)


_DECOMPRESSORS: Final[dict[str, Callable[[], _Decompressor]]] = {
    "gzip": _Gzip,
    "br": _Brotli,
    "zstd": _zstd,
}
