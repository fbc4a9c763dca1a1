"""Pieces of Markdown."""

import pytest

from tools.generate.reference.markdown import code, escape, page, sentence, table


def test_page_says_that_it_is_generated() -> None:
    text = page("Title", "\nFirst.\n", "Second.")

    assert text.startswith(
        "# Title\n\nGenerated from the code by `make generate`; do not edit.\n\n"
    )
    assert text.endswith("\n\nFirst.\n\nSecond.\n")


def test_table_keeps_a_pipe_inside_its_cell() -> None:
    assert table(("a", "b"), [("1", "x|y")]) == "| a | b |\n| --- | --- |\n| 1 | x\\|y |"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("address to listen on", "Address to listen on."),
        ("Ends already.", "Ends already."),
        ("nodeSelector of a Pod", "nodeSelector of a Pod."),
        ("", ""),
    ],
)
def test_sentence_has_a_capital_and_a_full_stop(text: str, expected: str) -> None:
    assert sentence(text) == expected


def test_empty_code_is_nothing() -> None:
    assert code("") == ""
    assert code(0) == "`0`"


def test_cron_expression_is_not_emphasis() -> None:
    assert escape("write 0 2 * * * or <x>") == r"write 0 2 \* \* \* or \<x>"
