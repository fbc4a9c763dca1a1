"""Specs with `waitFor`, and what is wrong with them, for Python and for the API server."""

from typing import Any, Final

ON_VOLUME: Final[dict[str, Any]] = {"destination": {"volume": {"claimName": "data"}}}
IN_BUCKET: Final[dict[str, Any]] = {
    "destination": {"s3": {"bucket": "reports", "credentialsSecretRef": {"name": "s3"}}}
}
NO_TIME: Final = "write an activeDeadlineSeconds that is greater than waitFor.atMostSeconds"
NO_LAST_FILE: Final = "write destination.volume, or until: Exists"


def waiting(**members: Any) -> dict[str, Any]:
    return {"waitFor": {"atMostSeconds": 3000, **members}}


ADMITTED: Final[tuple[dict[str, Any], ...]] = (
    waiting(),
    waiting(everySeconds=10, atMostSeconds=10),
    waiting(everySeconds=3000),
    waiting(atMostSeconds=3540),
    {**waiting(atMostSeconds=604_740), "activeDeadlineSeconds": 604_800},
    {**waiting(everySeconds=3600, atMostSeconds=14_400), "activeDeadlineSeconds": 14_460},
    waiting(statuses=[]),
    waiting(statuses=[202, 400, 404, 404, 599]),
    waiting(statuses=[*range(400, 416)]),
    {**waiting(until="Changed"), **ON_VOLUME},
    {**waiting(), **IN_BUCKET},
    {"waitFor": None},
)
REFUSED: Final[tuple[tuple[dict[str, Any], str], ...]] = (
    ({"waitFor": {}}, "required"),
    (waiting(everySeconds=9), "greater than or equal to 10"),
    (waiting(everySeconds=3601), "less than or equal to 3600"),
    (waiting(everySeconds=3001), "write a smaller everySeconds"),
    (waiting(atMostSeconds=9), "greater than or equal to 10"),
    (waiting(atMostSeconds=3541), NO_TIME),
    (waiting(atMostSeconds=604_800), NO_TIME),
    ({**waiting(atMostSeconds=604_801), "activeDeadlineSeconds": 604_800}, "less than or equal to"),
    ({**waiting(atMostSeconds=604_741), "activeDeadlineSeconds": 604_800}, NO_TIME),
    ({**waiting(), "activeDeadlineSeconds": 3059}, NO_TIME),
    (waiting(statuses=[*range(400, 417)]), "16"),
    (waiting(statuses=[200]), "202 or 400 to 599"),
    (waiting(statuses=[404, 399]), "202 or 400 to 599"),
    (waiting(statuses=[600]), "202 or 400 to 599"),
    (waiting(until="Changed"), NO_LAST_FILE),
    ({**waiting(until="Changed"), "destination": {"discard": {}}}, NO_LAST_FILE),
    ({**waiting(until="Changed"), **IN_BUCKET}, NO_LAST_FILE),
)
ONLY_OF_A_TYPE: Final[tuple[dict[str, Any], ...]] = (
    waiting(until="Exist"),
    waiting(everySeconds=True),
    waiting(atMostSeconds="1h"),
    waiting(statuses=404),
    waiting(statuses=[True]),
)
"""Refused by the schema, in words that differ."""
