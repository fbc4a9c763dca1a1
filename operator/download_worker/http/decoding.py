"""Undo the content codings of a body as it comes, and check that it is complete.

libcurl could do it too, but it accepts a body that is cut inside its content coding.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from download_worker.errors import DownloadError, Reason
from download_worker.http.messages import Response

if TYPE_CHECKING:
    from download_worker.http.decompressors import Decompressor, StreamFormat

ACCEPTED_CODINGS: Final = "gzip, br, zstd"
"""Content codings to ask for, as in Accept-Encoding."""
PIECE_BYTES: Final = 256 * 1024
"""Approximate size of a decoded piece, however much a compression bomb holds."""
MAX_CODINGS: Final = 5
"""Codings of one body that are undone, as many as in curl."""

_DECODED: Final = {
    "gzip": "gzip",
    "x-gzip": "gzip",
    "deflate": "deflate",
    "br": "br",
    "zstd": "zstd",
}
"""Codings that are undone, with their aliases (RFC 9110, 8.4.1)."""
_NOT_DECODED: Final = frozenset(
    {
        *("aes128gcm", "compress", "dcb", "dcz", "exi", "pack200-gzip", "x-compress"),
        *("base64", "brotli", "bzip", "bzip2", "gz", "lz4", "lzip", "lzma", "quoted-printable"),
        *("sdch", "snappy", "x-br", "x-brotli", "x-bzip", "x-bzip2", "x-deflate", "x-lz4"),
        *("x-lzma", "x-snappy", "x-xz", "x-zip", "x-zstd", "xz", "zip", "zlib", "zst"),
    }
)
"""Other names of what changes a body: those of IANA's registry of content codings, then others."""
_AS_IT_IS: Final = frozenset({"", "aws-chunked", "binary", "identity", "none"})
"""Names which say that the body is as it is. ``aws-chunked`` is how a client sent an object to S3,
which took it out of its chunks and may have kept the name."""
_BEGINNING_BYTES: Final = 4
"""Bytes that show whether a body is packed."""
_QUOTED_CHARACTERS: Final = 40
_ADVICE: Final = "write request.compressed: false, and format raw or json"


class Decoder:
    """Undoes one coding of one body.

    Args:
        coding: one of gzip, deflate, br and zstd.
    """

    def __init__(self, coding: str) -> None:
        self._coding = coding
        self._format: StreamFormat | None = None
        self._stream: Decompressor | None = None
        self._undecided = b""
        """Bytes after a stream, too few to see whether they begin another one."""
        self._ended = False

    def decode(self, chunk: bytes) -> Iterator[bytes]:
        """Decode the next bytes of the body, piece by piece.

        Raises:
            DownloadError: the body is not in this coding.
        """
        rest = bytes(chunk)
        while True:
            stream = self._stream
            if stream is None or stream.eof:
                rest, self._undecided = self._undecided + rest, b""
                stream = self._next_stream(rest) if rest else None
                if stream is None:
                    return
                self._stream = stream
            try:
                piece = stream.decompress(rest, PIECE_BYTES)
            except Exception as error:  # each library has errors of its own
                raise self._not_in_coding(str(error)) from error
            rest = stream.unused_data if stream.eof else b""
            if piece:
                yield piece
            if not rest and (stream.eof or stream.needs_input):
                return

    def finish(self) -> None:
        """Check that the last stream is complete.

        Raises:
            DownloadError: it is not.
        """
        if self._undecided or (self._stream and not self._stream.eof):
            raise DownloadError(
                Reason.INCOMPLETE_BODY, f"The body ended in the middle of its {self._coding} data."
            )

    def _next_stream(self, rest: bytes) -> "Decompressor | None":
        """Return what decompresses the stream that *rest* begins; None if it begins none."""
        from download_worker.http.decompressors import format_of

        if self._ended:
            return None
        if self._format is None:
            self._format = format_of(self._coding, rest[0])
        elif not self._format.has_checksum:
            raise self._not_in_coding("bytes follow its end")
        elif not rest.startswith(self._format.next_streams):
            if any(start.startswith(rest) for start in self._format.next_streams):
                self._undecided = rest
            else:
                self._ended = True
            return None
        return self._format.start()

    def _not_in_coding(self, cause: str) -> DownloadError:
        return DownloadError(
            Reason.BAD_RESPONSE,
            f"The body is not {self._coding}, as the server says it is ({cause}): {_ADVICE}.",
        )


class UnpackedCheck:
    """Passes a body on whose coding has a name that means nothing, unless it is packed after all.

    Args:
        name: of the coding.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._start = b""

    def decode(self, chunk: bytes) -> Iterator[bytes]:
        """Pass the next bytes on.

        Raises:
            DownloadError: the body is packed.
        """
        from download_worker.http.decompressors import PACKED_BEGINNINGS

        if len(self._start) < _BEGINNING_BYTES:
            self._start += bytes(chunk[:_BEGINNING_BYTES])
            if self._start.startswith(PACKED_BEGINNINGS):
                raise DownloadError(
                    Reason.BAD_RESPONSE,
                    f"The body is packed, but its content encoding is {self._name}: {_ADVICE}.",
                )
        yield chunk

    def finish(self) -> None:
        """Do nothing: a body that is not packed has no end of its own."""


def decoders_for(response: Response) -> tuple[Decoder | UnpackedCheck, ...]:
    """Return what undoes the content codings of a body, in the order in which to undo them.

    A name that is not that of a packing, such as ``utf-8``, says nothing about the body. It is
    passed over, as browsers do.

    Raises:
        DownloadError: the body has a coding that cannot be undone, or too many of them.
    """
    names = response.headers.get("content-encoding", "").lower().split(",")
    names = [name.partition(";")[0].strip() for name in names]
    if refused := next((name for name in names if name in _NOT_DECODED), None):
        raise _refusal(response, f"{refused}, and not one of {ACCEPTED_CODINGS}")
    codings = [_DECODED[name] for name in names if name in _DECODED]
    if len(codings) > MAX_CODINGS:
        raise _refusal(response, f"{len(codings)} codings, more than the {MAX_CODINGS} accepted")
    meaningless = [name for name in names if name not in _DECODED and name not in _AS_IT_IS]
    if meaningless and not codings:
        return (UnpackedCheck(meaningless[0][:_QUOTED_CHARACTERS]),)
    return tuple(map(Decoder, reversed(codings)))


def _refusal(response: Response, encoding: str) -> DownloadError:
    return DownloadError(
        Reason.BAD_RESPONSE,
        f"The body's content encoding is {encoding}: {_ADVICE}.",
        response.status,
    )
