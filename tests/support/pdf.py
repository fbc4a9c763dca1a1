"""What is in a PDF that Chromium printed."""

import re
import zlib
from collections.abc import Iterator

MISSING_GLYPH = "0000"
"""Glyph that a font shows for a letter that it lacks."""


def count_pages(pdf: bytes) -> int:
    return len(re.findall(rb"/Type /Page\b", pdf))


def glyphs(pdf: bytes) -> set[str]:
    """Return the glyphs of all texts, as four hexadecimal digits each."""
    return {
        text[start : start + 4]
        for stream in _streams(pdf)
        for text in re.findall(r"<([0-9A-F]+)> Tj", stream.decode("latin-1"))
        for start in range(0, len(text), 4)
    }


def _streams(pdf: bytes) -> Iterator[bytes]:
    for match in re.finditer(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL):
        try:
            yield zlib.decompress(match[1])
        except zlib.error:
            yield match[1]
