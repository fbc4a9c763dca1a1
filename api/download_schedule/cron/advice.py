"""Sentences for refused expressions: what is wrong, and what to write instead.

Many refused spellings come from other cron dialects; those get the Kubernetes spelling.
"""

import re
from typing import Final

_NO_LAST_DAY: Final = "Kubernetes has no last day (L); write 28, the last day that every month has"
_NO_LAST_WEEKDAY: Final = (
    "Kubernetes has no last weekday of a month (L); write the weekday alone, which fires every week"
)
_NO_WORKDAY: Final = "Kubernetes has no nearest workday (W); write 1-5 in day of week, or the day"
_NO_NTH: Final = (
    "Kubernetes has no n-th weekday of a month (#); write the weekday alone, which fires every week"
)
_DIALECTS: Final = (
    ("month", r"(?i)(january|february|march|april|june|july|august|september|october|november"
              r"|december)", "write the first three letters, such as jan"),
    ("day of week", r"(?i)(sunday|monday|tuesday|wednesday|thursday|friday|saturday)",
     "write the first three letters, such as sun"),
    ("day of month", r"(?i)L?W|\d+W|WL", _NO_WORKDAY),
    ("day of month", r"(?i)L(-\d+)?", _NO_LAST_DAY),
    ("day of week", r"(?i)(\w{1,3})?L", _NO_LAST_WEEKDAY),
    ("day of week", r"\w+#\w+", _NO_NTH),
    ("", r"(?i)(\d+-\d+)?~.*|\d+~\d+|R(\(.*\))?", "write H or H(low-high) for a spread-out value"),
    ("", r"h|[hH][(/].*", "write H, H(low-high), H/step or H(low-high)/step, with a capital H"),
)  # fmt: skip
"""Field (empty: any), pattern of an item in another dialect, and what to write instead."""


def explain_bad_value(field: str, allowed: str, text: str, item: str) -> str:
    """Return the sentence for *text*, a part of *item*, where *field* needs a number."""
    for dialect_field, pattern, instead in _DIALECTS:
        if dialect_field in ("", field) and re.fullmatch(pattern, item):
            return f"{field}: {item!r} is not allowed: {instead}"
    shown = repr(item) if text == item else f"{text!r} in {item!r}"
    return f"{field}: {shown} is not a value; write {allowed}, a list, a range or a step"


def explain_out_of_bounds(field: str, allowed: str, start: int, end: int, item: str) -> str:
    """Return the sentence for a value or range that leaves the bounds of *field*."""
    if field == "day of week" and 7 in (start, end):
        days = _with_sunday_as_zero(start, end)
        return f"{field}: {item!r} counts Sunday as 7; write 0 or sun for Sunday, here {days!r}"
    return f"{field}: {item!r} is outside the bounds; write {allowed}"


def _with_sunday_as_zero(start: int, end: int) -> str:
    if start == 7:
        return "0" if end in (0, 7) else f"0-{end}"
    return {0: "0-6", 1: "0-6", 6: "0,6"}.get(start, f"0,{start}-6")


def explain_descending_range(
    field: str, low: int, high: int, start: int, end: int, item: str
) -> str:
    """Return the sentence for a range that wraps around, with the list that means the same."""
    spans = ((start, high), (low, end))
    list_ = ",".join(f"{first}" if first == last else f"{first}-{last}" for first, last in spans)
    return f"{field}: {item!r} runs backwards; write {list_!r} if it should wrap around"


def explain_field_count(words: list[str]) -> str:
    """Return the sentence for an expression that does not have five fields."""
    fields = "1 field" if len(words) == 1 else f"{len(words)} fields"
    problem = (
        f"the expression has {fields}, Kubernetes reads five: minute, hour, day of month, month, "
        "day of week"
    )
    if any(word.startswith(",") or word.endswith(",") for word in words):
        return f"{problem}; write lists without spaces"
    if len(words) in (6, 7):
        return f"{problem}; without seconds write {' '.join(words[1:6])!r}"
    return f"{problem}; write five, such as '0 2 * * *'"


def explain_descriptor(expression: str, descriptors: tuple[str, ...]) -> str:
    """Return the sentence for an expression with an ``@`` that is none of *descriptors*."""
    if expression.startswith("@every"):
        return (
            "'@every' is not allowed, because it drifts with every start of the controller; "
            "write a step, such as '*/15 * * * *'"
        )
    normalized = expression.strip().lower()
    anything_else = f"one of {', '.join(descriptors)} or five fields"
    instead = normalized if normalized in descriptors else anything_else
    return f"{expression!r} is not a known descriptor; write {instead}"
