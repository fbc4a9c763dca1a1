"""The head of an answer."""

from dataclasses import dataclass, field
from typing import Final

MAX_DIGITS: Final = 20
"""Of a length: what is longer is too large, however large it is."""


@dataclass(slots=True)
class Response:
    """What came before the body."""

    url: str
    version: str = ""
    """Of HTTP, such as ``1.1``."""
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    """The first value of each, by its name in lower case."""

    @property
    def announced(self) -> int | None:
        """Bytes of the body as sent, where the head tells; chunks overrule it (RFC 9112)."""
        length = self.headers.get("content-length", "")
        told = length.isascii() and length.isdigit() and not self._is_chunked
        return int(length.lstrip("0")[:MAX_DIGITS] or 0) if told else None

    @property
    def ends_with_connection(self) -> bool:
        """Whether the body ends where the connection does, so that a cut cannot be told."""
        framed = "content-length" in self.headers or self._is_chunked
        return self.version.startswith("1") and not framed

    @property
    def _is_chunked(self) -> bool:
        """Any other coding is refused, but for ``identity``, which frames nothing."""
        return "chunked" in self.headers.get("transfer-encoding", "").lower()
