"""What to write instead: sentences for spellings that other cron dialects know."""

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


def not_a_number(name: str, allowed: str, text: str, item: str) -> str:
    """Return the sentence for *text*, a part of *item*, where a number was wanted."""
    for field, pattern, instead in _DIALECTS:
        if field in ("", name) and re.fullmatch(pattern, item):
            return f"{name}: {item!r} is not allowed: {instead}"
    shown = repr(item) if text == item else f"{text!r} in {item!r}"
    return f"{name}: {shown} is not a value; write {allowed}, a list, a range or a step"


def out_of_bounds(name: str, allowed: str, start: int, end: int, item: str) -> str:
    """Return the sentence for a value or range that leaves the field's bounds."""
    if name == "day of week" and 7 in (start, end):
        days = _with_sunday_first(start, end)
        return f"{name}: {item!r} counts Sunday as 7; write 0 or sun for Sunday, here {days!r}"
    return f"{name}: {item!r} is outside the bounds; write {allowed}"


def _with_sunday_first(start: int, end: int) -> str:
    """Spell the range from *start* to *end* with 0 for its 7."""
    if start == 7:
        return "0" if end in (0, 7) else f"0-{end}"
    return {0: "0-6", 1: "0-6", 6: "0,6"}.get(start, f"0,{start}-6")


def descending(name: str, low: int, high: int, start: int, end: int, item: str) -> str:
    """Return the sentence for a range that wraps around, with the list that means the same."""
    spelled = ",".join(f"{a}" if a == b else f"{a}-{b}" for a, b in ((start, high), (low, end)))
    return f"{name}: {item!r} runs backwards; write {spelled!r} if it should wrap around"


def wrong_count(words: list[str]) -> str:
    """Return the sentence for an expression that has not five fields."""
    fields = "1 field" if len(words) == 1 else f"{len(words)} fields"
    told = (
        f"the expression has {fields}, Kubernetes reads five: minute, hour, day of month, month, "
        "day of week"
    )
    if any(word.startswith(",") or word.endswith(",") for word in words):
        return f"{told}; write lists without spaces"
    if len(words) in (6, 7):
        return f"{told}; without seconds write {' '.join(words[1:6])!r}"
    return f"{told}; write five, such as '0 2 * * *'"


def descriptor(expression: str, known: tuple[str, ...]) -> str:
    """Return the sentence for an expression with an ``@`` that Kubernetes or we refuse."""
    if expression.startswith("@every"):
        return (
            "'@every' is not allowed, as it drifts with every start of the controller; "
            "write a step, such as '*/15 * * * *'"
        )
    meant = expression.strip().lower()
    instead = meant if meant in known else f"one of {', '.join(known)} or five fields"
    return f"{expression!r} is not a known descriptor; write {instead}"
