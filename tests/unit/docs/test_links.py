"""Links between the documents lead somewhere."""

import re
from collections import Counter
from pathlib import Path

import pytest

from tests.support.documents import documents, name_of, prose
from tools.generate.manifests import REPOSITORY

NAMED_TEST = re.compile(r"`(tests/[\w/]+\.py)`")
LINK = re.compile(r"\]\(([^)\s#]*)(?:#([^)\s]*))?\)")


def anchors(document: Path) -> set[str]:
    """What a `#` may lead to, as the usual hosts name headings; a repeated one gets a number."""
    headings = re.findall(r"^#{1,6} (.*)", prose(document), re.MULTILINE)
    slugs = [re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in headings]
    seen: Counter[str] = Counter()
    names = set()
    for slug in slugs:
        names.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return names


def links(document: Path) -> list[tuple[str, str]]:
    """Target and anchor of each link that is not an address."""
    text = re.sub(r"`[^`\n]*`", "", prose(document))
    return [(target, anchor) for target, anchor in LINK.findall(text) if "://" not in target]


@pytest.mark.parametrize("document", documents(), ids=name_of)
def test_links_lead_somewhere(document: Path) -> None:
    for target, anchor in links(document):
        path = (document.parent / target).resolve() if target else document
        assert path.exists(), target
        assert not anchor or anchor in anchors(path), f"{target}#{anchor}"


@pytest.mark.parametrize("document", documents(), ids=name_of)
def test_tests_that_a_document_names_exist(document: Path) -> None:
    for path in NAMED_TEST.findall(document.read_text()):
        assert (REPOSITORY / path).exists(), path


def test_there_are_links_and_anchors() -> None:
    targets = [link for document in documents() for link in links(document)]
    assert len(targets) > 100
    assert sum(bool(anchor) for _, anchor in targets) > 20


def test_every_page_is_linked_from_another() -> None:
    linked = {
        (document.parent / target).resolve()
        for document in documents()
        for target, _ in links(document)
        if target
    }
    folders = {path for path in linked if path.is_dir()}
    for document in documents():
        if document.name not in ("README.md", "PULL_REQUEST_TEMPLATE.md", "CODE_OF_CONDUCT.md"):
            assert document in linked or document.parent in folders, name_of(document)
