"""The rules on templates, as the API server and Python apply them.

:mod:`download_schedule.attempt.template` explains the language. Patterns are in RE2's syntax, which
cannot look ahead. So what may be wrong with a placeholder for a time is spelled out, which also
lets each fault have its own sentence.
"""

from typing import Final

from download_schedule.attempt.template import DIRECTIVES, TIMES, UNITS, UNPADDED
from download_schedule.validation import Rule, matching, not_matching

_TIME_NAME: Final = rf"({'|'.join(TIMES)})"
_BEFORE: Final = r"^([^{}]|\{\{|\}\}|\{[^{}]*\})*"
"""What may be in front of a placeholder in a URL or path, where every brace counts."""
_BEFORE_IN_TEXT: Final = r"(^|[^{])"
"""What may be in front of a placeholder in a body or header, where other braces are text."""

# After the sign: no digit; or one to three, and something else than a unit with : or } behind it.
_WRONG_OFFSET: Final = (
    r"( +[-+:}]|[-+]([^0-9]|\z|[0-9]{4}|[0-9]{1,3}([^0-9mhdwy]|\z|[hdwy]([^:}]|\z)"
    r"|m([^io]|\z|o([^:}]|\z)|i([^n]|\z|n([^:}]|\z))))))"
)
_DIRECTIVES: Final = rf"(%(-[{UNPADDED}]|[{DIRECTIVES}])[^{{}}%]*)"
_FORMAT_BEGINS: Final = r"([-+][0-9a-z]+)?:[^{}%]*"
_WRONG_DIRECTIVE: Final = (
    rf"{_FORMAT_BEGINS}{_DIRECTIVES}*%(-([^{UNPADDED}]|\z)|[^{DIRECTIVES}-]|\z)"
)
_WRONG_FORMAT: Final = rf"{_FORMAT_BEGINS}([{{}}]|\z|{_DIRECTIVES}+(\{{|\z))"


def _times(before: str, field: str) -> tuple[Rule, ...]:
    """Return the rules on placeholders for times, which each refuse one fault."""
    begins = rf"{before}\{{{_TIME_NAME}"
    padded = [f"%{letter}" for letter in DIRECTIVES]
    return (
        not_matching(
            f"{begins}{_WRONG_OFFSET}",
            f"{field} has an offset that is malformed; write + or -, one to three digits and one "
            f"of {', '.join(UNITS)}, for example {{scheduled-1d}} or {{previous+15min:%H:%M}}",
        ),
        not_matching(
            f"{begins}{_WRONG_DIRECTIVE}",
            f"{field} has a format with an unknown directive; write {' '.join(padded)} or, "
            f"without zeros in front, {' '.join(f'%-{letter}' for letter in UNPADDED)}",
        ),
        not_matching(
            f"{begins}{_WRONG_FORMAT}",
            f"{field} has a format without a directive or without its closing brace; write for "
            "example {scheduled:%Y-%m-%d}",
        ),
    )


def _braces(field: str, names: tuple[str, ...]) -> Rule:
    """Return the rule that each brace belongs to a placeholder, or is doubled.

    Faults of placeholders for times are left to :func:`_times`.
    """
    words = ", ".join(f"{{{name}}}" for name in (*TIMES, *names[:-1]))
    return matching(
        rf"^([^{{}}]|\{{\{{|\}}\}}|\{{({'|'.join(names)})\}}|\{{{_TIME_NAME}([-+:][^{{}}]*)?\}})*\z",
        f"{field} has a placeholder that is unknown, or a single brace; write {words} or "
        f"{{{names[-1]}}}, and for braces themselves {{{{ and }}}}",
    )


_EDGE: Final = rf"(\}}?\{{{_TIME_NAME}[^{{}}:/]*:)*\}}?"
"""Beginnings and ends of formats, which add nothing to a path."""

URL: Final = (
    matching(
        r"^[^:]*://[^/?#{}]*([/?#]|\z)",
        "url must not have braces in front of its path, so that no run can go to another host; "
        "write the scheme, the host and the port themselves",
    ),
    not_matching(
        r"^([^{}#]|\{\{|\}\}|\{[^{}]*\})*#[^{}]*[{}]",
        "url must not have braces behind a #, because that part is not sent; leave it out",
    ),
    *_times(_BEFORE, "url"),
    _braces("url", ("namespace", "name")),
)

PATH: Final = (
    *_times(_BEFORE, "path"),
    _braces("path", ("namespace", "name", "filename")),
    not_matching(
        rf"(^|/){_EDGE}(\.{_EDGE}){{0,2}}(/|\z)",
        "path must not have empty, . or .. parts; leave them out",
    ),
)


def in_text(field: str) -> tuple[Rule, ...]:
    """Return the rules for a body or the value of a header."""
    return _times(_BEFORE_IN_TEXT, field)
