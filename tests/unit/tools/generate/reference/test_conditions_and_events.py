"""The page about conditions and events."""

from download_operator.manifests import events
from download_operator.planning import conditions
from tools.generate.reference import pages
from tools.generate.reference.conditions_and_events import render
from tools.generate.reference.constants import Constant


def test_constants_are_sorted_by_condition_and_status() -> None:
    text = render(
        [
            Constant("A", "Failed", "Healthy is False: it failed."),
            Constant("B", "Bad", "Ready is False: it is bad."),
            Constant("C", "Good", "Ready is True: it is good."),
            Constant("D", "Missed", "Event: one was missed."),
            Constant("E", "Other", "Something else."),
        ]
    )

    assert [line for line in text.splitlines() if "`" in line and line.startswith("|")] == [
        "| Ready | True | `Good` | It is good. |",
        "| Ready | False | `Bad` | It is bad. |",
        "| Healthy | False | `Failed` | It failed. |",
        "| `Missed` | One was missed. |",
    ]


def test_page_has_every_reason_of_the_operator() -> None:
    text = pages.page("conditions-and-events")
    reasons = {
        value
        for name, value in vars(conditions).items()
        if name.isupper() and isinstance(value, str)
    }
    assert reasons
    for reason in reasons | {events.TICK_MISSED, events.RUN_REFUSED}:
        assert f"`{reason}`" in text
