"""What schemathesis needs to know about this API. It loads the module through SCHEMATHESIS_HOOKS.

It generates texts of certain formats from here. Requests that break a rule which JSON Schema cannot
express are refused with the message of that rule; all others that the document allows must be
accepted.
"""

import re
from typing import Any, Final

import schemathesis
from hypothesis import strategies as st
from schemathesis.specs.openapi.checks import positive_data_acceptance

from download_api.casing import to_snake_case
from download_schedule import rules
from download_schedule.model import MAX_HEADERS
from download_schedule.validation import Check

schemathesis.openapi.format(
    "cron",
    st.builds(
        "{} {} * * {}".format,
        st.integers(0, 59),
        st.sampled_from(["*", "*/2", "0-6", "23"]),
        st.sampled_from(["*", "MON-FRI", "1,3"]),
    ),
)
schemathesis.openapi.format(
    "url-template",
    st.builds(
        "{}://example.com/{}{}".format,
        st.sampled_from(["http", "HTTPS"]),
        st.integers(),
        st.sampled_from(["", "{scheduled-1d:%Y/%m/%d}?{name}", "{{{previous}}}", "{scheduled:%V}"]),
    ),
)
schemathesis.openapi.format("time-zone", st.sampled_from(["Etc/UTC", "Europe/Berlin"]))
schemathesis.openapi.format("cursor", st.sampled_from(["eyJrZXkiOiJhIn0"]))
schemathesis.openapi.format("label-selector", st.sampled_from(["", "a=b", "a notin (b,c)", "!a"]))

WITHOUT_PATTERN: Final = [
    rule
    for check in vars(rules).values()
    if isinstance(check, Check)
    for rule in check.rules
    if not rule.cel.startswith("self.matches(")
]
"""The resource's rules that the document cannot express."""

BEYOND_SCHEMA: Final = (
    (400, "cron_expression: "),
    (403, "api-key may not get secrets"),
    (404, "There is no schedule with that id"),
    (404, "The history has no run with that id"),
    (404, r'namespaces \\"[^"]*" not found'),
    (409, "A run is active"),
    (412, "The schedule has changed since"),
    (422, "time_zone: .* is not a known zone"),
    (422, "exclude leaves out every tick of the schedule"),
    (422, "cursor: "),
    (422, "tick: "),
    (422, "offset: leave it out"),
    (422, "unable to parse requirement"),
    (422, "Idempotency-Key: it was used for another request"),
    (422, "namespace: a schedule cannot move"),
    (422, f"headers and secret_headers: Tuple should have at most {MAX_HEADERS} items"),
    *((422, re.escape(to_snake_case(rule.message))) for rule in WITHOUT_PATTERN),
)
"""Status and message of refusals that no schema can predict."""


@schemathesis.check
def accepts_what_it_describes(
    ctx: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case[Any]
) -> bool | None:
    """Check like positive_data_acceptance, but allow the refusals that no schema can predict."""
    for status, message in BEYOND_SCHEMA:
        if response.status_code == status and re.search(message, response.text):
            return None
    if case.method == "PATCH" and "Field required" in response.text:
        return None  # in an object that the schedule does not have yet
    return positive_data_acceptance(ctx, response, case)
