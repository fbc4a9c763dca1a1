"""Tables of text. Pure."""

from collections.abc import Sequence


def align(rows: Sequence[Sequence[str]]) -> str:
    """Return the rows as lines in which every column is as wide as its longest cell needs."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
