"""Design notes are in the table, and have one form."""

import re
from pathlib import Path

import pytest

from tests.support.documents import DOCS

FOLDER = DOCS / "design"
NOTES = sorted(FOLDER.glob("20*.md"))
ROW = re.compile(r"^\| (\d{4}-\d\d-\d\d) \| \[([^\]]+)\]\(([^)]+)\) \| (.*) \|$", re.MULTILINE)


def rows() -> dict[str, tuple[str, str, str]]:
    """Date, decision and status of each row, by the name of the note."""
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    return {name: (date, decision, status) for date, decision, name, status in ROW.findall(text)}


def test_every_note_is_in_the_table() -> None:
    assert sorted(rows()) == [note.name for note in NOTES]


def test_rows_are_in_the_order_of_their_dates() -> None:
    dates = [date for date, _, _ in rows().values()]
    assert dates == sorted(dates)


@pytest.mark.parametrize("note", NOTES, ids=lambda note: note.stem)
def test_note_has_title_status_and_decision(note: Path) -> None:
    text = note.read_text(encoding="utf-8")
    _, decision, status = rows()[note.name]
    assert text.startswith(f"# {decision}\n\n20")
    assert f"· Status: {status}\n" in text
    assert re.fullmatch(r"proposed|accepted|superseded by \[.+\]\(.+\)", status)
    assert "\n## Decision\n" in text
