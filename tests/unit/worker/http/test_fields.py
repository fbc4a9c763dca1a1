"""What several lines of one header say together."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from download_worker.http.fields import combine, list_members, media_type, parameters


@pytest.mark.parametrize(
    ("name", "values", "combined"),
    [
        ("content-encoding", ["gzip", "gzip"], "gzip, gzip"),
        ("content-encoding", ["", "gzip"], "gzip"),
        ("transfer-encoding", ["identity", "chunked"], "identity, chunked"),
        ("accept-ranges", ["none", "bytes"], "none, bytes"),
        ("content-security-policy", ["img-src 'none'", "script-src *"], None),
        ("content-length", ["5", "5"], "5"),
        ("content-length", ["5", "6"], "5, 6"),
        ("content-range", ["bytes 0-4/5", "bytes 0-4/5"], "bytes 0-4/5"),
        ("content-range", ["bytes 0-4/5", "bytes 0-5/6"], "bytes 0-4/5, bytes 0-5/6"),
        ("etag", ['"a"', "", '"a"'], '"a"'),
        ("etag", ['"a"', '"b"', '"a"'], '"a", "b"'),
        ("etag", [""], ""),
        ("location", ["", "/a", "/b"], "/a"),
        ("location", ["", ""], ""),
        ("retry-after", ["", "60", "3600"], "60"),
        ("refresh", ["0;url=/a", "0;url=/b"], "0;url=/a"),
        ("content-disposition", ["inline", 'attachment; filename="b"'], 'attachment; filename="b"'),
        ("content-disposition", ["inline", "attachment"], "inline"),
        (
            "content-disposition",
            ["a; filename*=utf-8''x", "a; filename=y"],
            "a; filename*=utf-8''x",
        ),
    ],
)
def test_lines_are_combined(name: str, values: list[str], combined: str | None) -> None:
    assert combine(name, values) == (", ".join(values) if combined is None else combined)


@pytest.mark.parametrize("name", ["last-modified", "date"])
def test_dates_that_contradict_each_other_are_none(name: str) -> None:
    assert combine(name, ["one", "two"]) is None


@pytest.mark.parametrize(
    ("values", "combined"),
    [
        (["text/csv", "text/csv"], "text/csv"),
        (["text/csv, text/csv"], "text/csv"),
        (["text/html", "text/html; charset=windows-1251"], "text/html; charset=windows-1251"),
        (["text/html; charset=windows-1251", "text/html"], "text/html; charset=windows-1251"),
        (["text/plain; charset=gbk", "text/html"], "text/html"),
        (["text/html; charset=gbk", "text/plain", "text/html"], "text/html"),
        (["text/html; charset=gbk", "text/html; charset=big5"], "text/html; charset=big5"),
        (["text/html; charset=gbk", "text/html; x=y", "text/html"], "text/html; charset=gbk"),
        (["text/html", "*/*"], "text/html"),
        (["*/*", "text/html"], "text/html"),
        (["text/html", "cannot/parse;(", "html"], "cannot/parse;("),
        (["text/html; charset=utf-8", "html", ""], "text/html; charset=utf-8"),
        (['text/html; x=",text/plain"', "text/html"], "text/html"),
        (['text/html; x=",text/plain'], 'text/html; x=",text/plain'),
        (['text/html; charset="a,b"'], 'text/html; charset="a,b"'),
        (["html", "csv"], "html, csv"),
        ([""], ""),
    ],
)
def test_last_valid_type_counts(values: list[str], combined: str) -> None:
    """Fetch Standard, "extract a MIME type", and its examples."""
    assert combine("content-type", values) == combined


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        ("Text/HTML; charset=utf-8", "text/html"),
        (" text/csv ;", "text/csv"),
        ("text/html charset=utf-8", "text/html"),
        ("text/html(page)", "text/html"),
        ("html", ""),
        ("text/", ""),
        ("*/*; q=1", ""),
        ("text / html", ""),
        ("", ""),
    ],
)
def test_media_type_is_a_type_or_nothing(content_type: str, expected: str) -> None:
    assert media_type(content_type) == expected


def test_first_parameter_of_a_name_counts() -> None:
    header = r'attachment; x="\"; y=1"; Y = 2 ; y=3'
    assert parameters(header) == {"x": '"; y=1', "y": "2 "}


@given(st.lists(st.text(alphabet='a", \\\t;/*=', max_size=20), min_size=1, max_size=4))
def test_any_list_can_be_split(values: list[str]) -> None:
    joined = ", ".join(values)
    assert all(member == member.strip(" \t") and member for member in list_members(joined))
    assert combine("content-type", values) is not None


@given(st.lists(st.text(alphabet="ab/;=", min_size=1), min_size=1))
def test_members_come_back_as_they_were(members: list[str]) -> None:
    assert list_members(", ".join(members)) == members
