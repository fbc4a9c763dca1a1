"""The rules on the members of a schedule's spec; :mod:`.validation` explains what a rule is."""

import unicodedata
from typing import Any, Final

from download_schedule import template_rules, wait_rules
from download_schedule.cron import FIELD_PATTERNS
from download_schedule.validation import Check, Rule, matching

WORKERS_OWN_HEADERS: Final = frozenset(
    {"host", "connection", "content-length", "transfer-encoding", "range", "if-range"}
)
MAX_SECRETS: Final = 4
"""Different Secrets that a schedule may use. The chart's admission policy asks for the writer's
right to each, and Kubernetes bounds how often one policy may ask."""

URL: Final = Check(
    matching(
        r"^[hH][tT][tT][pP][sS]?://[^/?#]",
        "url must start with http:// or https://; write for example https://example.com/report.csv",
    ),
    matching(
        r"^[^:]*://[^/?#@]*([/?#]|\z)",
        "url must not carry a user name or password; send them in request.headers",
    ),
    matching(
        r"^[!-~]+\z",
        "url must be plain ASCII without spaces; percent-encode everything else",
    ),
    *template_rules.URL,
)

TIME_ZONE: Final = Check(
    matching(
        r"^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*\z",
        "timeZone must be an IANA name; write for example Europe/Berlin or Etc/UTC",
    ),
    Rule(
        "timeZone must not be Local; write an IANA name, for example Europe/Berlin",
        "self != 'Local'",
        lambda zone: zone != "Local",
    ),
)


# White space is spelled out because RE2's \s lacks the vertical tab, at which Kubernetes splits.
_WORD: Final = r"[^\t-\r ]+"
_GAP: Final = r"[\t-\r ]+"
_CRON_HINTS: Final = {
    "minute": "write 0-59, *, */5, 0,30 or H",
    "hour": "write 0-23, *, */2, 9-17 or H",
    "day of month": "write 1-31, *, */2, 1,15 or H",
    "month": "write 1-12, JAN-DEC, * or */3",
    "day of week": "write 0-6 (0 is Sunday), SUN-SAT, * or MON-FRI",
}


def _cron_field(position: int, name: str, pattern: str) -> Rule:
    earlier_fields = rf"{_WORD}{_GAP}" * position
    return matching(
        rf"^(@|[\t-\r ]*{earlier_fields}({pattern})([\t-\r ]|\z))",
        f"Kubernetes does not accept the {name} field of schedule; {_CRON_HINTS[name]}",
    )


SCHEDULE: Final = Check(
    Rule(
        "schedule must not name a time zone; write it in timeZone",
        "!self.contains('TZ')",
        lambda expression: "TZ" not in expression,
    ),
    matching(
        r"^([^@]|@(hourly|daily|midnight|weekly|monthly|yearly|annually)\z)",
        "schedule starts with an unknown @ word; write @hourly, @daily, @weekly, @monthly, "
        "@yearly or five fields such as 0 2 * * *",
    ),
    matching(
        rf"^(@|[\t-\r ]*{_WORD}({_GAP}{_WORD}){{4}}[\t-\r ]*\z)",
        "schedule must have five fields (minute, hour, day of month, month, day of week); "
        "write for example 0 2 * * *",
    ),
    *(
        _cron_field(position, name, pattern)
        for position, (name, pattern) in enumerate(FIELD_PATTERNS)
    ),
)

_DNS_NAME: Final = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*\z"

_MONTH_AND_DAY: Final = (
    "((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)"
    "|02-(0[1-9]|1[0-9]|2[0-8]))"
)
_LEAP_YEAR: Final = "(2[0-9](0[48]|[2468][048]|[13579][26])|2[048]00)"
_DATE: Final = f"(2[0-9]{{3}}-{_MONTH_AND_DAY}|{_LEAP_YEAR}-02-29)"
_DATE_LENGTH: Final = len("2026-12-25")

DATE_OR_RANGE: Final = Check(
    matching(
        rf"^{_DATE}(/{_DATE})?\z",
        "exclude.dates takes days that exist, written with year, month and day; write for example "
        "2026-12-25, or a range such as 2026-12-24/2027-01-06",
    ),
    Rule(
        "a range of exclude.dates ends before it begins; write the earlier day first",
        f"self.size() <= {_DATE_LENGTH} "
        f"|| self.substring(0, {_DATE_LENGTH}) <= self.substring({_DATE_LENGTH + 1})",
        lambda text: len(text) <= _DATE_LENGTH or text[:_DATE_LENGTH] <= text[_DATE_LENGTH + 1 :],
    ),
)

WEEKDAYS: Final = Check(
    Rule(
        "exclude.weekdays leaves no day; write six at most, or suspend the schedule",
        "self.size() < 7",
        lambda weekdays: len(weekdays) < 7,
    ),
)

MONTH_DAY: Final = Check(
    Rule(
        "a day of exclude.monthDays is 1 to 31, or -1 for the last of the month; write one of them",
        "self != 0",
        lambda day: day != 0,
    ),
)

CONFIG_MAP_NAME: Final = Check(
    matching(
        _DNS_NAME,
        "name must be the name of a ConfigMap in the same namespace; write for example holidays",
    ),
)

HEADER_NAME: Final = Check(
    matching(
        r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+\z",
        "the name of a header must be an HTTP token; write for example Accept",
    ),
    Rule(
        "the worker sets this header itself; leave out Host, Connection, Content-Length, "
        "Transfer-Encoding, Range and If-Range",
        f"!(self.lowerAscii() in {sorted(WORKERS_OWN_HEADERS)})",
        lambda name: name.lower() not in WORKERS_OWN_HEADERS,
    ),
)

HEADER_VALUE: Final = Check(
    matching(
        r"^[\t -~]*\z",
        "the value of a header must be printable ASCII on one line; encode everything else",
    ),
    *template_rules.in_text("the value of a header"),
)

BODY: Final = Check(*template_rules.in_text("body"))

HEADERS: Final = Check(
    Rule(
        "a header needs a value; write either value or valueFrom, not both",
        "self.all(h, has(h.value) != has(h.valueFrom))",
        lambda headers: all((h.value is None) != (h.value_from is None) for h in headers),
    ),
    Rule(
        "a header is named twice; upper and lower case do not matter in its name",
        "self.all(h, self.exists_one(g, g.name.lowerAscii() == h.name.lowerAscii()))",
        lambda headers: len({h.name.lower() for h in headers}) == len(headers),
    ),
)

SECRET_NAME: Final = Check(
    matching(
        _DNS_NAME,
        "name must be the name of a Secret in the same namespace; write for example token",
    ),
)

SECRET_KEY: Final = Check(
    matching(
        r"^[-._a-zA-Z0-9]+\z",
        "key must be a key of the Secret: letters, digits, -, _ and . only",
    ),
)

SHA256: Final = Check(
    matching(
        r"^[0-9a-f]{64}\z",
        "sha256 must be 64 lower-case hexadecimal digits, as sha256sum prints them",
    ),
)

CONTENT_TYPE: Final = Check(
    matching(
        r"^[a-z0-9!#$&^_.+-]+/([a-z0-9!#$&^_.+-]+|\*)\z",
        "a content type is type/subtype in lower case without parameters; "
        "write for example text/csv or text/*",
    ),
)

BYTES_IN_ORDER: Final = Check(
    Rule(
        "minBytes must not be greater than maxBytes",
        "self.minBytes <= self.maxBytes",
        lambda verify: verify.min_bytes <= verify.max_bytes,
    ),
)

LATE_STATUS: Final = Check(wait_rules.STATUS)

WAIT_FOR: Final = Check(wait_rules.SECONDS_IN_ORDER)

BODY_WITH_POST: Final = Check(
    Rule(
        "a body is only sent with POST; write method: POST or leave out body",
        "!has(self.body) || self.method == 'POST'",
        lambda request: request.body is None or request.method == "POST",
    ),
)

BUCKET: Final = Check(
    matching(
        r"^[a-z0-9][a-z0-9.-]*[a-z0-9]\z",
        "bucket must be the name of an S3 bucket: lower-case letters, digits, - and .",
    ),
)

ENDPOINT: Final = Check(
    matching(
        r"^https?://[^/?#@\t-\r ]+/?\z",
        "endpoint must be http:// or https:// and a host; write for example https://s3.example.com",
    ),
)

REGION: Final = Check(
    matching(
        r"^[a-zA-Z0-9-]+\z",
        "region must be letters, digits and -; write for example eu-central-1",
    ),
)

CLAIM_NAME: Final = Check(
    matching(
        _DNS_NAME,
        "claimName must be the name of a PersistentVolumeClaim in the same namespace; "
        "write for example data",
    ),
)


def _is_invisible(character: str) -> bool:
    """Return whether the character is invisible. Unassigned code points are left to the worker."""
    kind = unicodedata.category(character)
    return character != " " and kind[0] in "CZ" and kind != "Cn"


PATH: Final = Check(
    matching(
        r"^[^/\x00-\x1f\x7f]",
        "path must be relative, without a / in front; write for example reports/{filename}",
    ),
    *template_rules.PATH,
    matching(
        r"^[^\x00-\x1f\x7f-\x9f]*\z",
        "path must not contain control characters; leave them out",
    ),
    Rule(
        "path must not contain invisible characters, such as those that change the direction of "
        "writing, or spaces other than the ordinary one; leave them out",
        # Not \p{C}, which contains unassigned code points from Go 1.25 on, but not before.
        r"""!self.matches(r"[\p{Cc}\p{Cf}\p{Co}\p{Zl}\p{Zp}]|[^ \P{Zs}]")""",
        lambda path: not any(_is_invisible(character) for character in path),
    ),
)


def find_secrets(spec: Any) -> frozenset[str]:
    """Return the names of the Secrets that a :class:`download_schedule.model.Spec` uses."""
    headers = {h.value_from.secret_key_ref.name for h in spec.request.headers if h.value_from}
    s3 = spec.destination.s3
    return frozenset(headers | ({s3.credentials_secret_ref.name} if s3 else set()))


# CEL has no distinct() before Kubernetes 1.34. Of the headers with the same Secret, the one whose
# name comes first counts: no two headers have the same name.
_HAS_HEADERS: Final = "has(self.request) && has(self.request.headers)"
_S3_CREDENTIALS: Final = "self.destination.s3.credentialsSecretRef.name"
_SECRETS_IN_HEADERS: Final = (
    f"({_HAS_HEADERS} ? self.request.headers.filter(h, has(h.valueFrom) && "
    "!self.request.headers.exists(g, has(g.valueFrom) && g.name < h.name && "
    "g.valueFrom.secretKeyRef.name == h.valueFrom.secretKeyRef.name)).size() : 0)"
)
_SECRET_OF_S3_ALONE: Final = (
    f"(has(self.destination) && has(self.destination.s3) && !({_HAS_HEADERS} && "
    "self.request.headers.exists(h, has(h.valueFrom) && "
    f"h.valueFrom.secretKeyRef.name == {_S3_CREDENTIALS})) ? 1 : 0)"
)

SPEC: Final = Check(
    Rule(
        f"a schedule may use at most {MAX_SECRETS} Secrets; put several values into one Secret, "
        "each under a key of its own",
        f"{_SECRETS_IN_HEADERS} + {_SECRET_OF_S3_ALONE} <= {MAX_SECRETS}",
        # Most specs have fewer headers than that, and need no count.
        lambda spec: (
            len(spec.request.headers) < MAX_SECRETS or len(find_secrets(spec)) <= MAX_SECRETS
        ),
    ),
    Rule(
        "onlyIfChanged and keepLast only work with files on a volume; write destination.volume",
        # Each member that is looked up costs the API server time. Most specs set neither of the
        # two, and cost only two look-ups.
        "!self.onlyIfChanged && !has(self.keepLast) "
        "|| has(self.destination) && has(self.destination.volume)",
        lambda spec: (
            not (spec.only_if_changed or spec.keep_last is not None)
            or bool(spec.destination.volume)
        ),
    ),
    *wait_rules.SPEC,
)

ONE_DESTINATION: Final = Check(
    Rule(
        "destination takes one member; write either volume, s3 or discard",
        "[has(self.volume), has(self.s3), has(self.discard)].filter(isSet, isSet).size() <= 1",
        lambda destination: len(destination.model_dump(exclude_none=True)) <= 1,
    ),
)
