"""Decode bytes as the Encoding Standard does: by Python's codecs, and what they lack of it.

webencodings knows the labels of the standard, and the Python codec that is nearest to each of its
encodings. Those codecs replace some bytes that browsers read, or read them differently.
"""

import codecs
from functools import cache
from typing import Final

from webencodings import Encoding

_ASCII_BYTES: Final = 0x80
_SHIFT_JIS_ONLY: Final = dict.fromkeys(range(0xF8F0, 0xF8F4), 0xFFFD)
"""Bytes A0 and FD to FF, which are in no character of the standard's Shift_JIS."""
_JIS_X_0208: Final = {
    0x301C: 0xFF5E,
    0x2016: 0x2225,
    0x2212: 0xFF0D,
    0x00A2: 0xFFE0,
    0x00A3: 0xFFE1,
    0x00AC: 0xFFE2,
}
"""Characters that the standard reads as Windows does: wave dash, minus, cent and others."""
_GB_18030_2022: Final = {
    **dict(
        zip(range(0xE78D, 0xE797), [0xFE10, 0xFE12, 0xFE11, *range(0xFE13, 0xFE1A)], strict=True)
    ),
    **dict(zip((0xE81E, 0xE826, 0xE82B, 0xE82C), range(0x9FB4, 0x9FB8), strict=True)),
    **dict(zip((0xE832, 0xE843, 0xE854, 0xE864), range(0x9FB8, 0x9FBC), strict=True)),
    0xE5E5: 0x3000,
    0xE7C7: 0x1E3F,
}
"""Characters of private use that the edition of 2022 assigned."""
_MULTI_BYTE: Final[dict[str, tuple[str, dict[int, int]]]] = {
    "big5": ("big5hkscs", {}),
    "euc-jp": ("euc_jp", _JIS_X_0208),
    "euc-kr": ("cp949", {}),
    "gb18030": ("gb18030", _GB_18030_2022),
    "gbk": ("gb18030", _GB_18030_2022),  # the standard decodes it as the larger one
    "iso-2022-jp": ("iso2022_jp_ext", _JIS_X_0208),
    "shift_jis": ("cp932", _SHIFT_JIS_ONLY),
    "utf-16be": ("utf-16-be", {}),
    "utf-16le": ("utf-16-le", {}),
    "utf-8": ("utf-8", {}),
}
"""Encodings with characters of several bytes: Python's codec, and how to correct its text."""
_SINGLE_BYTE: Final = {
    ("koi8-u", 0xAE): "ў",
    ("koi8-u", 0xBE): "Ў",
    ("windows-1255", 0xCA): "\u05ba",
}
"""What Python's codecs read differently, beside the control characters that they lack."""
MAX_CORRECTIONS: Final = 500_000
"""Errors of Python's codecs that are looked at in one body, which takes about a second."""
_ERRORS: Final = "download_worker.formats.web_encodings"
"""Name under which Python finds a :class:`_Corrections`."""
_JIS_FROM: Final = {"euc_jp": 0xA1, "iso2022_jp_ext": 0x21}
"""Codecs that lack the rows of NEC and IBM, and from where rows and cells count in them."""
_CELLS: Final = 94
"""Cells of a row of JIS X 0208."""


def decode(body: bytes, encoding: Encoding) -> str:
    """Return the text of *body*, with U+FFFD for what is not in the encoding."""
    if encoding.name not in _MULTI_BYTE:
        return codecs.charmap_decode(body, "replace", _single_byte_table(encoding))[0]
    codec, corrections = _MULTI_BYTE[encoding.name]
    errors = "replace"
    if codec in {"gb18030", *_JIS_FROM}:
        errors = _ERRORS
        codecs.register_error(_ERRORS, _Corrections(codec))
    text = body.decode(codec, errors)
    return text.translate(corrections) if corrections else text


@cache
def _single_byte_table(encoding: Encoding) -> str:
    """Return the character of each byte. From 80 to 9F, the default is a control character."""
    characters = [encoding.codec_info.decode(bytes([byte]), "replace")[0] for byte in range(256)]
    for byte in range(_ASCII_BYTES, 256):
        if characters[byte] == "\ufffd" and byte < 0xA0:
            characters[byte] = chr(byte)
        characters[byte] = _SINGLE_BYTE.get((encoding.name, byte), characters[byte])
    return "".join(characters)


class _Corrections:
    """Reads what browsers read where a codec of Python sees an error.

    Args:
        codec: which one.
    """

    def __init__(self, codec: str) -> None:
        self._codec = codec
        self._left = MAX_CORRECTIONS

    def __call__(self, error: UnicodeError) -> tuple[str | bytes, int]:
        """Return what stands there, and where to go on."""
        if not isinstance(error, UnicodeDecodeError):
            raise error
        self._left -= 1
        if self._left < 0:
            rest = error.object[error.start :]
            return rest.decode(self._codec, "replace"), len(error.object)
        character, size = self._read(error.object[error.start : error.start + 2])
        return (character, error.start + size) if size else codecs.replace_errors(error)

    def _read(self, pair: bytes) -> tuple[str, int]:
        """Return the character with which *pair* begins, and its size; 0: there is none."""
        if self._codec not in _JIS_FROM:
            return ("€", 1) if pair[0] == 0x80 else ("", 0)
        row, cell = (byte - _JIS_FROM[self._codec] for byte in (*pair, 0)[:2])
        if 0 <= row < _CELLS and 0 <= cell < _CELLS:
            return _windows_character(row, cell), 2
        return "", 0


def _windows_character(row: int, cell: int) -> str:
    """Return a character of JIS X 0208 or of what NEC and IBM added to it, by way of Shift_JIS."""
    lead, trail = divmod(row * _CELLS + cell, 2 * _CELLS)
    pair = lead + (0x81 if lead < 0x1F else 0xC1), trail + (0x40 if trail < 0x3F else 0x41)
    return bytes(pair).decode("cp932", "replace")
