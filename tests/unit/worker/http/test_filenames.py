"""The name of a file: what the server means where that is harmless, and never a way out."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from download_worker.http.filenames import DEFAULT_NAME, MAX_NAME_BYTES, choose_filename

URL = "https://example.com/reports/daily.csv?x=1#y"

DISPOSITIONS = {
    None: "daily.csv",
    "": "daily.csv",
    "attachment": "daily.csv",
    "inline; filename=a.txt": "a.txt",
    'attachment; filename="a b.txt"': "a b.txt",
    'attachment; FileName = "a.txt"': "a.txt",
    r'attachment; filename="a\"b.txt"': "a_b.txt",
    "attachment; filename*=UTF-8''%e2%82%ac%20rates.txt": "€ rates.txt",
    "attachment; filename*=iso-8859-1'en'%A3%20rates": "£ rates",
    "attachment; filename=\"EURO.txt\"; filename*=utf-8''%e2%82%ac.txt": "€.txt",
    "attachment; filename*=utf-8''%e2%82%ac.txt; filename=EURO.txt": "€.txt",
    "attachment; filename*=klingon''a.txt; filename=plain.txt": "plain.txt",
    "attachment; filename*=utf-8''; filename=plain.txt": "plain.txt",
    "attachment; filename*=utf-8''%2e%2e; filename=plain.txt": "plain.txt",
    "attachment; filename=first.txt; filename=second.txt": "first.txt",
    'attachment; name="a; filename=b.txt"; filename="c.txt"': "c.txt",
    r'attachment; name="a\"; filename=b.txt"; filename="c.txt"': "c.txt",
    "attachment; filename=annual report.csv": "annual report.csv",
    "attachment; filename=annual report.csv ; size=3": "annual report.csv",
    "attachment; filename=prévisions.csv": "prévisions.csv",
    "attachment; filename=a(1).csv": "a(1).csv",
    "attachment; filename*=utf-8''%e2%82%ac.txt ; size=3": "€.txt",
    "filename=a.txt": "a.txt",
    'attachment; filename="a.txt': "daily.csv",
    "attachment; filename=": "daily.csv",
    'attachment; filename="../../etc/passwd"': "passwd",
    'attachment; filename="..\\\\..\\\\evil.exe"': "evil.exe",
    'attachment; filename="/"': "daily.csv",
    'attachment; filename=".."': "daily.csv",
    'attachment; filename="..."': "daily.csv",
    'attachment; filename=".bashrc"': "bashrc",
    'attachment; filename="-rf"': "rf",
    'attachment; filename="-.-rf"': "rf",
    'attachment; filename="- .bashrc"': "bashrc",
    'attachment; filename="aux.csv"': "_aux.csv",
    'attachment; filename="Com1 .tar.gz"': "_Com1 .tar.gz",
    'attachment; filename="NUL"': "_NUL",
    'attachment; filename="auxiliary.csv"': "auxiliary.csv",
    'attachment; filename="com10.csv"': "com10.csv",
    "attachment; filename*=utf-8''..%2f..%2fx": "x",
    "attachment; filename*=utf-8''a%00b%0a.txt": "ab.txt",
    "attachment; filename*=utf-8''gpj.%e2%80%aetxt": "gpj.txt",
    'attachment; filename="a:b*c?.txt"': "a_b_c_.txt",
}


@pytest.mark.parametrize(("disposition", "name"), DISPOSITIONS.items())
def test_content_disposition_names_the_file(disposition: str | None, name: str) -> None:
    assert choose_filename(URL, disposition) == name


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://example.com", DEFAULT_NAME),
        ("https://example.com/", DEFAULT_NAME),
        ("https://example.com/a/b/", "b"),
        ("https://example.com/a%20b.txt", "a b.txt"),
        ("https://example.com/%2e%2e", DEFAULT_NAME),
        ("https://example.com/..%2f..%2fx", "x"),
        ("https://example.com/%ff", "\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_url_names_the_file_otherwise(url: str, name: str) -> None:
    assert choose_filename(url, None) == name


def test_long_name_is_cut_between_characters() -> None:
    name = choose_filename(URL, "attachment; filename*=utf-8''" + "%e2%82%ac" * 100)
    assert name == "€" * (MAX_NAME_BYTES // 3)


@pytest.mark.parametrize(
    ("stem", "extension"),
    [
        ("x" * 300, ".csv"),
        ("x" * 300, ".TAR.gz"),
        ("x" * 300, ".数据"),
        ("€" * 100, ".csv"),
        ("x" * 195 + " .x", ".csv"),
        ("x" * 300, ""),
        ("a." + "x" * 300, ""),
    ],
)
def test_long_name_keeps_its_extension(stem: str, extension: str) -> None:
    name = choose_filename(URL, f'attachment; filename="{stem}{extension}"')
    assert MAX_NAME_BYTES - 4 <= len(name.encode()) <= MAX_NAME_BYTES
    assert name.endswith(extension)
    assert stem.startswith(name.removesuffix(extension))


def test_long_name_is_not_cut_to_a_device_name() -> None:
    name = choose_filename(URL, f'attachment; filename="con{" " * 300}x.csv"')
    assert name == "_con.csv"
    assert len(choose_filename(URL, f'attachment; filename="con.{"x" * 300}"')) == MAX_NAME_BYTES


@given(st.text(), st.text())
@example("", "." * 300 + "a" * 300)
@example("", "/" * 300 + "a" * 300 + "." + "€" * 16)
@example("", "a" + " ." * 300 + "a")
def test_any_name_is_one_safe_part_of_a_path(path: str, disposition: str) -> None:
    for header in (disposition, f'a; filename="{disposition}"', f"a; filename*=utf-8''{path}"):
        name = choose_filename("https://example.com/" + path, header)
        assert 0 < len(name.encode()) <= MAX_NAME_BYTES
        assert name not in {".", ".."}
        assert not name.startswith((".", "-", " "))
        assert not set(name) & set('/\\:*?"<>|')
        assert all(character.isprintable() for character in name)
