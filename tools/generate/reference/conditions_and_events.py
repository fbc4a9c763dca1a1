"""docs/reference/conditions-and-events.md, from the operator's constants. Pure."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from tools.generate.reference.constants import Constant
from tools.generate.reference.markdown import code, page, sentence, table

_CONDITION: Final = re.compile(r"(Ready|Healthy) is (True|False): (.*)")
"""How the docstring of a condition's reason reads."""
_EVENT: Final = "Event: "
"""How the docstring of an Event's reason begins."""

_CONDITIONS: Final = """
A schedule's status has two conditions. `Ready` says whether the schedule will run. `Healthy` says
whether its last run completed; it appears when the first run is over. `kubectl wait
--for=condition=Ready` works.
"""
_EVENTS: Final = """
The operator records these Events about a schedule, of type `Warning`. `kubectl describe dls NAME`
shows them. An Event that is repeated word for word is kept once.
"""


def render(constants: Iterable[Constant]) -> str:
    """Return the page; constants that describe neither a condition nor an Event are left out."""
    all_constants = list(constants)
    conditions = [
        (match[1], match[2], code(constant.value), sentence(match[3]))
        for constant in all_constants
        if (match := _CONDITION.fullmatch(constant.docstring))
    ]
    events = [
        (code(constant.value), sentence(constant.docstring.removeprefix(_EVENT)))
        for constant in all_constants
        if constant.docstring.startswith(_EVENT)
    ]
    return page(
        "Conditions and events",
        "## Conditions",
        _CONDITIONS,
        table(("Condition", "Status", "Reason", "Meaning"), sorted(conditions, key=_order)),
        "## Events",
        _EVENTS,
        table(("Reason", "Meaning"), sorted(events)),
    )


def _order(row: Sequence[str]) -> tuple[bool, bool, str]:
    """Ready before Healthy, True before False."""
    return row[0] != "Ready", row[1] != "True", row[2]
