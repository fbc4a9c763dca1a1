"""Read the body of a response: decoded, counted and bounded."""

from collections.abc import Iterable, Iterator
from typing import Final

from download_worker.checks import too_large, too_large_to_convert
from download_worker.http.decoding import decoders_for
from download_worker.http.messages import Response

MAX_CONVERTED_BYTES: Final = 64 * 1024**2
"""Largest body that is converted to another format, which needs the whole of it in memory."""
MAX_CODING_OVERHEAD_BYTES: Final = 1024**2
"""What a content coding may add to a body that it cannot compress, beside a thousandth of it."""


class Body:
    """The body of one response.

    Args:
        response: whose body it is.
        max_bytes: of the file, decoded.
        decode: whether to decode a compressed body.
        offset: bytes of the file that an earlier attempt fetched.

    Attributes:
        size: bytes of the file so far, decoded, including those of an earlier attempt.

    Raises:
        DownloadError: the server announces too many bytes, or an unknown content coding.
    """

    def __init__(self, response: Response, max_bytes: int, *, decode: bool, offset: int) -> None:
        self._response = response
        self._max_bytes = max_bytes
        self._decoders = decoders_for(response) if decode else ()
        self._decoded = [0] * len(self._decoders)
        """Bytes that each decoder has made."""
        self._offset = offset
        self._received = 0
        self.size = offset
        self._check_received(offset + (response.content_length or 0))

    @property
    def is_begun(self) -> bool:
        """Whether a byte of the body was received."""
        return self._received > 0

    @property
    def position(self) -> int:
        """Bytes of the file as sent so far, including those of an earlier attempt."""
        return self._offset + self._received

    def read(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Decode *chunks*, piece by piece.

        Raises:
            DownloadError: there are too many bytes, or the coding is broken or incomplete.
        """
        for chunk in chunks:
            self._received += len(chunk)
            self._check_received(self._received)
            for piece in self._decode(chunk):
                self.size += len(piece)
                if self.size > self._max_bytes:
                    raise too_large(self._response, self._max_bytes)
                yield piece
        for decoder in self._decoders:
            decoder.finish()

    def read_all(self, chunks: Iterable[bytes]) -> bytes:
        """Return the whole body, for a converter.

        Raises:
            DownloadError: as :meth:`read` does, or the body is too large to be converted.
        """
        content = bytearray()
        for piece in self.read(chunks):
            content += piece
            if len(content) > MAX_CONVERTED_BYTES:
                raise too_large_to_convert(self._response, MAX_CONVERTED_BYTES)
        return bytes(content)

    def _decode(self, chunk: bytes, layer: int = 0) -> Iterator[bytes]:
        """Undo the codings from *layer* on."""
        if layer == len(self._decoders):
            yield chunk
            return
        for piece in self._decoders[layer].decode(chunk):
            self._decoded[layer] += len(piece)
            self._check_received(self._decoded[layer])
            yield from self._decode(piece, layer + 1)

    def _check_received(self, size: int) -> None:
        """Bound coded bytes too: they can go on forever and decode to nothing."""
        limit = self._max_bytes
        if self._decoders:
            limit += limit // 1000 + MAX_CODING_OVERHEAD_BYTES
        if size > limit:
            raise too_large(self._response, self._max_bytes)
