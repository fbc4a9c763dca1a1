"""The grammar of each field as a regular expression, for validators that cannot call a parser.

The CRD's rules (CEL, RE2 syntax) use these, so that the API server refuses a bad expression when
it is applied. :func:`.parser.parse` still has to check what a regular expression cannot: that a
range ascends, that the step of an ``H`` fits its range, and that the day exists. The patterns
refuse spellings outside of ASCII (a word with a Turkish dotted I), although Kubernetes reads some.
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


def _field_pattern(field: Field) -> str:
    number = rf"\+?0*(?:{_NUMBERS[field]})"
    value = f"(?:{number}|(?i:{'|'.join(field.words)}))" if field.words else number
    star = r"[*?](?:-[^,/\s]*)?"
    hashed = rf"H(?:\({value}-{value}\))?"
    step = r"(?:/\+?0*[1-9][0-9]*)?"
    item = f"(?:{star}|{value}(?:-{value})?|{hashed}){step}"
    items = f",*{item}(?:,+{item})*,*"
    # Commas alone name no value. Kubernetes accepts that in one day field; the other one decides.
    return f"(?:{items}|,+)" if field in (DAY_OF_MONTH, DAY_OF_WEEK) else items


FIELD_PATTERNS: Final = tuple((field.name, _field_pattern(field)) for field in FIELDS)
"""The name of each field and the pattern that its whole text must match."""
