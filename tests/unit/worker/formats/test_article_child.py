"""What the child writes: an article, or the reason why there is none."""

import io
import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from download_worker.errors import DownloadError, Reason
from download_worker.formats import article_child
from download_worker.formats.article_child import extract, is_memory_used_up, main
from download_worker.formats.isolation import EXIT_OUT_OF_MEMORY, Limits
from download_worker.http.messages import Response

RESPONSE = Response("http://example.com/", "1.1", 200, {"content-type": "text/html"})
TEXT = "One sentence of many, and every one of them is worth reading. " * 20
PAGE = f"<html><p>{TEXT}</html>".encode()
LIMITS = Limits(memory_bytes=2**40, cpu_seconds=60, output_bytes=10_000)


@pytest.fixture(autouse=True)
def _without_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not limit the process of the tests."""
    monkeypatch.setattr(article_child, "apply_limits", lambda _: None)


def run(body: bytes, limits: Limits = LIMITS) -> tuple[int, dict[str, str], bytes]:
    order = {"response": asdict(RESPONSE), "output_format": "txt", "limits": limits}
    outcome = io.BytesIO()
    code = main(io.BytesIO(json.dumps(order).encode() + b"\n" + body), outcome)
    line, _, content = outcome.getvalue().partition(b"\n")
    return code, json.loads(line or "{}"), content


@pytest.mark.parametrize("code", [1, 8, 11, 12, 14, 31, 0xFFFE, 0xFFFF])
def test_references_to_characters_that_xml_lacks_are_left_out(code: int) -> None:
    invalid = f"&#{code};&#x{code:x};&#X00{code:X} &#00{code}"
    page = f"<html><p>{TEXT}{invalid}&#65;&#x1F600;&#110;{TEXT}</html>".encode()
    assert extract(RESPONSE, page, "txt").decode() == f"{TEXT}A\U0001f600n{TEXT}".strip() + "\n"


NOTICE = "<noscript>You need to enable JavaScript to run this app.</noscript>"


@pytest.mark.parametrize("output_format", ["txt", "markdown"])
def test_what_is_for_readers_without_scripts_is_not_the_article(output_format: str) -> None:
    page = f"<html><body>{NOTICE}<p>{TEXT}</p>{NOTICE} behind</body></html>".encode()
    assert b"JavaScript" not in extract(RESPONSE, page, output_format)


@pytest.mark.parametrize(
    ("page", "advice"),
    [
        (f"<html><body>{NOTICE}<div id=root></div></body></html>", "format pdf, which runs"),
        ("<html><body><div id=root></div></body></html>", "page: write format html or raw."),
        ("x", "page: write format html or raw."),
    ],
)
def test_page_without_an_article_gets_advice(page: str, advice: str) -> None:
    with pytest.raises(DownloadError, match=advice) as caught:
        extract(RESPONSE, page.encode(), "txt")
    assert caught.value.reason is Reason.NO_ARTICLE


def test_outcome_of_a_success_has_the_article() -> None:
    assert run(PAGE) == (0, {}, TEXT.strip().encode() + b"\n")


def test_outcome_of_a_failure_has_the_reason() -> None:
    code, failure, content = run(b"<html></html>")
    assert (code, failure["reason"], content) == (0, "NoArticle", b"")


def test_article_of_too_many_bytes_is_too_complex() -> None:
    code, failure, content = run(PAGE, LIMITS._replace(output_bytes=1000))
    assert (code, failure["reason"], content) == (0, "TooComplex", b"")
    assert "more than 1000 bytes: write format html or raw" in failure["message"]


@pytest.mark.parametrize("error", [MemoryError(), RecursionError()])
def test_memory_that_ends_is_not_a_bug(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(*_: object) -> bytes:
        raise error

    monkeypatch.setattr(article_child, "extract", fail)
    assert run(PAGE) == (EXIT_OUT_OF_MEMORY, {}, b"")


def test_bug_is_reported_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> bytes:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(article_child, "extract", fail)
    code, failure, _ = run(PAGE)
    assert (code, failure["reason"]) == (0, Reason.INTERNAL_ERROR)
    assert "a bug" in failure["message"]


def test_article_that_may_be_cut_is_not_written() -> None:
    assert run(PAGE, LIMITS._replace(memory_bytes=1024**2)) == (EXIT_OUT_OF_MEMORY, {}, b"")


@pytest.mark.parametrize(("peak", "is_used_up"), [(700, False), (701, True)])
def test_memory_is_used_up_at_seven_eighths(tmp_path: Path, peak: int, is_used_up: bool) -> None:
    status = tmp_path / "status"
    status.write_text(f"Name:\tpython\nVmPeak:\t     {peak} kB\nVmSize:\t 9 kB\n")
    assert is_memory_used_up(LIMITS._replace(memory_bytes=800 * 1024), status) is is_used_up


def test_page_that_is_not_html_is_refused() -> None:
    with pytest.raises(DownloadError) as caught:
        extract(Response("http://example.com/", headers={"content-type": "a/b"}), PAGE, "txt")
    assert caught.value.reason is Reason.NOT_A_PAGE


def test_limits_are_those_of_the_process() -> None:
    program = (
        "import resource as r; from download_worker.formats.article_child import *;"
        "apply_limits(Limits(2**30, 7, 1000));"
        "print(r.getrlimit(r.RLIMIT_AS), r.getrlimit(r.RLIMIT_CPU), r.getrlimit(r.RLIMIT_FSIZE))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "(1073741824, 1073741824) (7, 12) (66536, 66536)\n"
