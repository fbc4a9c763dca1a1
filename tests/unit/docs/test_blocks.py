"""Every shell block has a test that runs it, and JSON blocks are JSON."""

import json
from pathlib import Path

import pytest

from tests.support.documents import REPOSITORY, blocks, documents, name_of

RUN_BY = {
    "README.md": "tests/integration/docs/test_docs.py",
    "docs/api/api-reference.md": "tests/integration/api/test_reference.py",
    "docs/getting-started.md": "tests/e2e/test_getting_started.py",
    "docs/guides/fetching.md": "tests/integration/docs/test_docs.py",
    "docs/guides/http-api.md": "tests/integration/api/test_guide.py",
    "docs/guides/migrating-from-curl.md": "tests/integration/docs/test_docs.py",
    "docs/guides/operating.md": "tests/integration/docs/test_docs.py",
    "docs/guides/runs.md": "tests/integration/docs/test_docs.py",
    "docs/guides/scheduling.md": "tests/unit/schedule/cron/test_docs.py",
}
"""The test that runs the shell blocks of a page. What cannot run has no language."""


def test_every_page_with_shell_blocks_is_run_by_a_test() -> None:
    assert {name_of(page) for page in documents() if blocks(page, "sh")} == set(RUN_BY)
    for test in RUN_BY.values():
        assert (REPOSITORY / test).exists(), test


@pytest.mark.parametrize("document", documents(), ids=name_of)
def test_json_blocks_are_json(document: Path) -> None:
    for text in blocks(document, "json"):
        json.loads(text)


@pytest.mark.parametrize("document", documents(), ids=name_of)
def test_languages_are_known(document: Path) -> None:
    count = document.read_text(encoding="utf-8").count("\n```") // 2
    languages = ("", "sh", "text", "yaml", "json", "mermaid")
    assert sum(len(blocks(document, language)) for language in languages) == count
