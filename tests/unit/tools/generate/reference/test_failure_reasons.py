"""The page about failure reasons."""

import pytest

from download_schedule import history
from download_worker.errors import DownloadError, Reason
from tools.generate.reference import pages
from tools.generate.reference.constants import Constant
from tools.generate.reference.failure_reasons import render, statuses


def rows(text: str) -> dict[str, list[str]]:
    """Cells of each row by its first one, which is code."""
    lines = (line[2:-2].split(" | ") for line in text.splitlines() if line.startswith("| `"))
    return {first.strip("`"): rest for first, *rest in lines}


def test_reason_has_meaning_advice_and_whether_it_is_retried() -> None:
    worker = [
        Constant("B", "Stalled", "Nothing came. Wait longer. Or not."),
        Constant("A", "BadURL", "It is wrong."),
        Constant("C", "HTTPStatus", "It said no. Ask why."),
    ]
    operator = [Constant("D", "NoPod", "Reason: no Pod yet."), Constant("E", "x", "Another thing.")]

    text = render(worker, {"BadURL"}, {"HTTPStatus": "5xx"}, operator)

    assert rows(text) == {
        "BadURL": ["no", "It is wrong.", ""],
        "HTTPStatus": ["5xx", "It said no.", "Ask why."],
        "Stalled": ["yes", "Nothing came.", "Wait longer. Or not."],
        "NoPod": ["No Pod yet."],
    }


def test_page_has_every_reason_of_the_worker() -> None:
    page = rows(pages.page("failure-reasons"))
    for reason in set(Reason) - {Reason.HTTP_STATUS}:
        retried, meaning, advice = page[reason.value]
        assert retried == ("no" if DownloadError(reason, "").permanent else "yes")
        assert meaning, reason
        assert advice, reason
    assert page[Reason.HTTP_STATUS.value][0] == "202, 408, 425, 429, 5xx"


def test_page_has_the_reasons_of_the_history() -> None:
    page = rows(pages.page("failure-reasons"))
    assert {history.JOB_DELETED, history.NO_POD} <= page.keys()


@pytest.mark.parametrize(
    ("codes", "expected"),
    [({429}, "429"), ({*range(500, 600)}, "5xx"), ({408, *range(400, 500), 503}, "503, 4xx")],
)
def test_statuses_in_a_few_words(codes: set[int], expected: str) -> None:
    assert statuses(codes) == expected
