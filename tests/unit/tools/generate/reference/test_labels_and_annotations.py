"""The page about labels and annotations."""

import pytest

from download_schedule import names
from tools.generate.reference import pages
from tools.generate.reference.constants import Constant
from tools.generate.reference.labels_and_annotations import REPORTER, render


def test_labels_and_annotations_have_tables_of_their_own() -> None:
    text = render(
        [
            Constant("UID_LABEL", "downloads.dev/uid", "On the Job: its UID"),
            Constant("TOKEN", "downloads.dev/token", "on the schedule: a token."),
            Constant("REPORTER", REPORTER, ""),
            Constant("OTHER", "example.com/other", ""),
        ]
    )

    labels, annotations = text.partition("## Labels")[2].split("## Annotations")
    assert "| `downloads.dev/uid` | On the Job: its UID. |" in labels
    assert "| `downloads.dev/token` | On the schedule: a token. |" in annotations
    assert "example.com" not in text


def test_key_without_a_docstring_is_refused() -> None:
    with pytest.raises(ValueError, match=r"UID_LABEL \(downloads.dev/uid\) needs a docstring"):
        render([Constant("UID_LABEL", "downloads.dev/uid", "")])


def test_page_has_the_annotation_that_starts_a_run() -> None:
    assert f"`{names.RUN_REQUESTED_ANNOTATION}`" in pages.page("labels-and-annotations")
