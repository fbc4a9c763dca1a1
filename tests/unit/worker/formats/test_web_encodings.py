"""Bytes that browsers read and Python's codecs do not, or read differently."""

import time

import pytest
import webencodings

from download_worker.formats.web_encodings import MAX_CORRECTIONS, decode


def read(label: str, data: bytes) -> str:
    return decode(data, webencodings.lookup(label))


@pytest.mark.parametrize(
    ("label", "data", "text"),
    [
        ("windows-1252", b"\x81\x8d\x8f\x90\x9d\x80", "\x81\x8d\x8f\x90\x9d€"),
        ("windows-1251", b"\x98\xcf", "\x98П"),
        ("windows-1253", b"\x81\xaa\xd2\xff", "\x81\ufffd\ufffd\ufffd"),
        ("windows-1255", b"\x81\xca\xd9", "\x81\u05ba\ufffd"),
        ("dos-874", b"\x81\xa1\xdb\x80", "\x81ก\ufffd€"),
        ("iso-8859-6", b"\x81\xa1\xc1", "\x81\ufffdء"),
        ("iso-8859-8-i", b"\xe0\xa1", "א\ufffd"),
        ("koi8-u", b"\xae\xbe\xa4", "ўЎє"),
        ("koi8-r", b"\xae\xbe", "╝╬"),
        ("x-mac-cyrillic", b"\xff\xa2\xb6", "€Ґґ"),
        ("macintosh", b"\xdb\xf0", "€\uf8ff"),
        ("gb2312", b"\x80\xa2\xe3\xa3\xa0", "€€\u3000"),
        ("gbk", b"\xa8\xbc\xa6\xd9\xfe\x59", "ḿ︐龴"),
        ("gb18030", b"\x81\x30\x81\x30\xff\x80", "\x80\ufffd€"),
        ("euc-jp", b"\xad\xa1\xa1\xc1\xa1\xdd\xf9\xa1\xc6\xfc", "①\uff5e\uff0d纊日"),
        ("euc-jp", b"\x8e\xb1\x8f\xb0\xa1\xff<", "ｱ丂\ufffd<"),
        ("euc-jp", b"\xad", "\ufffd"),
        ("iso-2022-jp", b"\x1b$B-!!A\x1b(I1\x1b(Bx\xe9", "①\uff5eｱx\ufffd"),
        ("shift_jis", b"\x87\x40\x81\x60\xfb\xfc\x80\xb1", "①\uff5e髙\x80ｱ"),
        ("shift_jis", b"\xa0\xfd\xfe\xff", "\ufffd\ufffd\ufffd\ufffd"),
        ("shift_jis", b"\x81<", "\ufffd<"),
        ("ks_c_5601-1987", b"\x8c\x63\xb0\xa1", "똠가"),
        ("big5", b"\x88\x62\xa4\x40", "Ê̄一"),
        ("utf-16", b"a\0\0\xd8b\0", "a\ufffdb"),
        ("utf-16be", b"\0a\xd8", "a\ufffd"),
        ("utf-8", b"\xe2\x82\xff\xef\xbb\xbf", "\ufffd\ufffd\ufeff"),
    ],
)
def test_bytes_are_read_as_browsers_read_them(label: str, data: bytes, text: str) -> None:
    assert read(label, data) == text


SINGLE_BYTE = sorted(
    {name for name in webencodings.LABELS.values() if name.startswith(("iso-8859", "windows-"))}
)


@pytest.mark.parametrize("name", SINGLE_BYTE)
def test_control_characters_are_in_every_single_byte_encoding(name: str) -> None:
    for byte in range(0x80, 0xA0):
        if (character := read(name, bytes([byte]))) != chr(byte):
            assert character != "\ufffd"
            assert name.startswith("windows-")


@pytest.mark.parametrize("label", sorted(webencodings.LABELS))
def test_ascii_is_the_same_in_every_encoding(label: str) -> None:
    name = webencodings.LABELS[label]
    ascii_text = bytes(set(range(128)) - {0x0E, 0x0F, 0x1B})
    if not name.startswith("utf-16") and name not in ("replacement", "x-user-defined"):
        assert read(label, ascii_text) == ascii_text.decode()


def test_number_of_corrections_is_limited() -> None:
    within = b"\x80" * MAX_CORRECTIONS
    assert read("gbk", within) == "€" * MAX_CORRECTIONS
    assert read("gbk", within + b"\x80\xa4\xa2") == "€" * MAX_CORRECTIONS + "\ufffdあ"


@pytest.mark.parametrize("label", ["euc-jp", "gbk", "iso-2022-jp", "shift_jis", "big5", "utf-8"])
@pytest.mark.parametrize("data", [b"\xff", b"\x80", b"\xad\xa1", b"\x1b$B-!", b"\xff<"])
def test_bytes_that_cannot_be_read_cost_little(label: str, data: bytes) -> None:
    body = data * (1_000_000 // len(data))
    began = time.process_time()
    read(label, body)
    assert time.process_time() - began < 10
