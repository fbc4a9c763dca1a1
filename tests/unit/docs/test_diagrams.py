"""Mermaid diagrams are valid, by a parser that is a port of Mermaid's own."""

from pathlib import Path

import merman
import pytest

from tests.support.documents import blocks, documents, name_of

DIAGRAMS = [(document, text) for document in documents() for text in blocks(document, "mermaid")]


@pytest.fixture(scope="module")
def engine() -> merman.Merman:
    return merman.Merman()


def test_there_are_diagrams() -> None:
    names = [name_of(document) for document, _ in DIAGRAMS]
    assert names.count("docs/architecture.md") >= 7
    assert names.count("docs/concepts.md") >= 3


@pytest.mark.parametrize(("document", "text"), DIAGRAMS)
def test_diagram_is_valid(engine: merman.Merman, document: Path, text: str) -> None:
    result = engine.validate(text, None)
    assert result.valid, f"{name_of(document)}: {result.error}"


@pytest.mark.parametrize(
    "text",
    [
        "flowchart LR\n  a[ --> b\n",
        "flowchart LR\n  subgraph x\n  a --> b\n",
        "stateDiagram-v2\n  [*] -->\n",
        "sequenceDiagram\n  A->>\n",
        "no diagram\n",
    ],
)
def test_broken_diagram_is_refused(engine: merman.Merman, text: str) -> None:
    assert not engine.validate(text, None).valid
