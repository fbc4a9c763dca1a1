"""The grammar of each field as a regular expression, for those who cannot call :func:`parse`.

The API server judges a schedule by these (CEL, RE2 syntax), so that a bad one is refused at the
door. What an expression cannot say is left to ``parse``: that a range ascends, that an ``H`` step
fits its range, that the days exist. Spellings outside of ASCII (a word with a Turkish dotted I)
are refused here, though Kubernetes reads some of them.
"""

from typing import Final

from download_schedule.cron.fields import (
    DAY_OF_MONTH,
    DAY_OF_WEEK,
    FIELDS,
    HOUR,
    MINUTE,
    MONTH,
    Field,
)

_NUMBERS: Final = {
    MINUTE: "[1-5]?[0-9]",
    HOUR: "2[0-3]|1?[0-9]",
    DAY_OF_MONTH: "3[01]|[12][0-9]|[1-9]",
    MONTH: "1[0-2]|[1-9]",
    DAY_OF_WEEK: "[0-6]",
}


def _pattern(field: Field) -> str:
    number = rf"\+?0*(?:{_NUMBERS[field]})"
    value = f"(?:{number}|(?i:{'|'.join(field.words)}))" if field.words else number
    star = r"[*?](?:-[^,/\s]*)?"
    hashed = rf"H(?:\({value}-{value}\))?"
    step = r"(?:/\+?0*[1-9][0-9]*)?"
    item = f"(?:{star}|{value}(?:-{value})?|{hashed}){step}"
    items = f",*{item}(?:,+{item})*,*"
    # A list of nothing but commas names no value; of the two day fields, the other decides.
    return f"(?:{items}|,+)" if field in (DAY_OF_MONTH, DAY_OF_WEEK) else items


FIELD_PATTERNS: Final = tuple((field.name, _pattern(field)) for field in FIELDS)
"""Name of each field and the pattern of what may stand in it, to be matched as a whole."""
