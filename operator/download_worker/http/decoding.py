"""Unpack a body that comes compressed, and insist on its end.

libcurl could unpack it too, but takes a body that is cut inside of its packing for a whole one.
"""

import sys
import zlib
from collections.abc import Callable, Iterator
from typing import Any, Final, Protocol

from download_worker.errors import DownloadError, Reason
from download_worker.http.messages import Response

ACCEPTED: Final = "gzip, br, zstd"
"""What to ask for, as in Accept-Encoding."""
PIECE_BYTES: Final = 256 * 1024
"""About what comes out at a time, however much a bomb holds."""

_REPEATED: Final = frozenset({"gzip", "zstd"})
"""Packings of which several that follow each other are one body (RFC 1952, RFC 8878)."""
_GZIP: Final = 16 + zlib.MAX_WBITS
_WINDOW_LOG: Final = 23
"""Of zstd on the web (RFC 9659): 8 MiB of memory."""


class Decoder:
    """Unpacks one body."""

    def __init__(self, coding: str) -> None:
        self._coding = coding
        self._new = _DECOMPRESSORS[coding]
        self._current: _Decompressor | None = None

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        """Yield what *chunk*, the next bytes of the body, unpacks to.

        Raises:
            DownloadError: that is no such packing.
        """
        left = bytes(chunk)
        while True:
            if self._current is None or self._current.eof:
                if not left:
                    return
                if self._current is None or self._coding in _REPEATED:
                    self._current = self._new()
            try:
                piece = self._current.decompress(left, PIECE_BYTES)
            except Exception as error:  # each library has errors of its own
                raise DownloadError(
                    Reason.BAD_RESPONSE,
                    f"The body is not the {self._coding} that the server says it is ({error}): "
                    "write request.compressed: false, and format raw or json.",
                ) from error
            left = self._current.unused_data if self._current.eof else b""
            if piece:
                yield piece
            if not left and (self._current.eof or self._current.needs_input):
                return

    def finish(self) -> None:
        """Insist on the end of what was begun.

        Raises:
            DownloadError: the body ended before.
        """
        if self._current and not self._current.eof:
            raise DownloadError(
                Reason.INCOMPLETE_BODY, f"The body ended before its {self._coding} packing did."
            )


def decoder_of(response: Response) -> Decoder | None:
    """Return what unpacks the body; None: it is not packed.

    Raises:
        DownloadError: it is packed in a way that was not asked for.
    """
    coding = response.headers.get("content-encoding", "").strip().lower()
    coding = {"x-gzip": "gzip", "identity": ""}.get(coding, coding)
    if not coding:
        return None
    if coding not in _DECOMPRESSORS:
        raise DownloadError(
            Reason.BAD_RESPONSE,
            f"The body is packed as {coding}, and not as {ACCEPTED}: "
            "write request.compressed: false, and format raw or json.",
            response.status,
        )
    return Decoder(coding)


class _Decompressor(Protocol):
    """As in Python's own ``bz2``, ``lzma`` and, from 3.14 on, ``compression.zstd``."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _Gzip:
    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(_GZIP)
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
    return zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: _WINDOW_LOG})


_DECOMPRESSORS: Final[dict[str, Callable[[], _Decompressor]]] = {
    "gzip": _Gzip,
    "br": _Brotli,
    "zstd": _zstd,
}
