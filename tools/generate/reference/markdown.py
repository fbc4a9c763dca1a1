"""Markdown, as the pages of the reference need it. Pure."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

NOTICE: Final = "Generated from the code by `make generate`; do not edit."


def page(title: str, *paragraphs: str) -> str:
    """Return a whole page: title, notice, paragraphs."""
    return "\n\n".join([f"# {title}", NOTICE, *(text.strip() for text in paragraphs)]) + "\n"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; a cell may hold Markdown, but no line break."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def code(text: object) -> str:
    """Return *text* as code; nothing for empty text."""
    return f"`{text}`" if str(text) else ""


def sentence(text: str) -> str:
    """Return *text* as a sentence: with a capital letter, unless it starts with a name like
    ``nodeSelector``, and a full stop."""
    text = " ".join(text.split())
    word = text.partition(" ")[0]
    start = text[:1].upper() if word[1:] == word[1:].lower() else text[:1]
    return f"{start}{text[1:]}{'' if text.endswith('.') else '.'}" if text else ""


def escape(text: str) -> str:
    """Return *text* without what Markdown would take for emphasis or HTML."""
    return re.sub(r"([*_<\[\]])", r"\\\1", text)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
