"""The grammar of each field as a regular expression, for those who cannot call :func:`parse`.

The API server judges a schedule by these (CEL, RE2 syntax), so that a bad one is refused at the
door. They know no order: ``5-1`` passes here and is refused by ``parse``.
"""

from typing import Final

from download_schedule.cron.fields import FIELDS, Field


def _between(low: int, high: int) -> str:
    numbers = "|".join(str(number) for number in range(high, low - 1, -1))
    return rf"\+?0*(?:{numbers})"


def _pattern(field: Field) -> str:
    words = "".join(f"|{word}" for word in field.words)
    value = f"(?:{_between(field.low, field.high)}{words})"
    step = r"(?:/\+?0*[1-9][0-9]*)?"
    star = r"[*?](?:-[^,/\s]*)?"
    hashed = rf"H(?:\({value}-{value}\))?"
    item = f"(?:{star}|{value}(?:-{value})?|{hashed}){step}"
    return f"(?i:,*{item}(?:,+{item})*,*)"


FIELD_PATTERNS: Final = tuple((field.name, _pattern(field)) for field in FIELDS)
"""Name of each field and the pattern of what may stand in it, to be matched as a whole."""
