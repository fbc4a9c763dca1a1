"""The JSON document that tells an attempt its task.

The operator writes it into the Pod, and the worker reads it back. A Pod's author can write anything
there, so :func:`decode` believes nothing. What later versions added is left out where it is not
set, so that a schedule without it keeps its CronJob through an upgrade.
"""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from download_schedule.attempt.members import Members
from download_schedule.attempt.task import (
    DEFAULT_ACTIVE_DEADLINE_SECONDS,
    MAX_ACTIVE_DEADLINE_SECONDS,
    MAX_BODY_BYTES,
    MAX_CONNECT_TIMEOUT_SECONDS,
    MAX_KEEP_LAST,
    MAX_LOOK_EVERY_SECONDS,
    MAX_REDIRECTS,
    MAX_STALL_TIMEOUT_SECONDS,
    S3,
    Destination,
    Format,
    Header,
    Method,
    Task,
    Until,
    Volume,
    WaitFor,
)
from download_schedule.attempt.variables import SPEC_VARIABLE

if TYPE_CHECKING:
    from download_schedule.attempt.exclusion import Exclusion

MAX_SPEC_CHARACTERS: Final = 128 * 1024 - len(f"{SPEC_VARIABLE}=") - 1
"""Linux starts no process with a longer variable; name, equals sign and final zero count."""


def encode(task: Task) -> str:
    """Return *task* as a JSON document of ASCII characters, for :data:`SPEC_VARIABLE`.

    Raises:
        ValueError: the document has more than :data:`MAX_SPEC_CHARACTERS`.
    """
    request = {
        "method": task.method.value,
        "body": task.body,
        "headers": [_compact(header._asdict()) for header in task.headers],
        "compressed": task.compressed,
        "connectTimeoutSeconds": task.connect_timeout_seconds,
        "stallTimeoutSeconds": task.stall_timeout_seconds,
        "maxRedirects": task.max_redirects,
    }
    verify = {
        "sha256": task.sha256,
        "minBytes": task.min_bytes,
        "maxBytes": task.max_bytes,
        "contentTypes": list(task.content_types),
    }
    is_default = task.active_deadline_seconds == DEFAULT_ACTIVE_DEADLINE_SECONDS
    deadline = {} if is_default else {"activeDeadlineSeconds": task.active_deadline_seconds}
    templates = _compact({"timeZone": task.time_zone, "schedule": task.schedule})
    exclude = {"exclude": _encode_exclusion(task.exclude)} if task.exclude else {}
    document = json.dumps(
        {
            "namespace": task.namespace,
            "name": task.name,
            "url": task.url,
            "format": task.format.value,
            "request": _compact(request),
            "verify": _compact(verify),
            "onlyIfChanged": task.only_if_changed,
            "keepLast": task.keep_last,
            "destination": _encode_destination(task.destination),
            **deadline,
            **templates,
            **_encode_wait_for(task.wait_for),
            **exclude,
        },
        separators=(",", ":"),
    )
    if len(document) > MAX_SPEC_CHARACTERS:
        raise ValueError(
            f"spec.request: headers and body make {len(document)} characters of JSON in ASCII, and "
            f"{MAX_SPEC_CHARACTERS} can be given to a download; shorten them"
        )
    return document


def decode(document: str) -> Task:
    """Read the document back.

    A member that this version does not know is refused. Otherwise an older worker would leave out
    what a newer operator asks for, such as a check of the body.

    Raises:
        ValueError: it is not a task; the sentence says what is wrong with it.
    """
    if len(document) > MAX_SPEC_CHARACTERS:
        raise ValueError(f"task is longer than {MAX_SPEC_CHARACTERS} characters")
    try:
        data = json.loads(document)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"task is not JSON: {error}") from None
    members = Members(data, "task")
    task = _decode_task(members)
    members.refuse_unread()
    return task


def _decode_task(task: Members) -> Task:
    request = task.nested("request")
    verify = task.nested("verify")
    return Task(
        namespace=task.text("namespace"),
        name=task.text("name"),
        url=task.text("url"),
        format=Format(task.choice("format", tuple(Format))),
        method=Method(request.choice("method", tuple(Method))),
        body=request.optional_text("body"),
        headers=tuple(_decode_header(header) for header in request.nested_list("headers")),
        compressed=request.flag("compressed"),
        connect_timeout_seconds=request.number(
            "connectTimeoutSeconds", 1, MAX_CONNECT_TIMEOUT_SECONDS
        ),
        stall_timeout_seconds=request.number("stallTimeoutSeconds", 1, MAX_STALL_TIMEOUT_SECONDS),
        max_redirects=request.number("maxRedirects", 0, MAX_REDIRECTS),
        sha256=_decode_sha256(verify),
        min_bytes=verify.number("minBytes", 0, MAX_BODY_BYTES),
        max_bytes=verify.number("maxBytes", 1, MAX_BODY_BYTES),
        content_types=verify.texts("contentTypes"),
        only_if_changed=task.flag("onlyIfChanged"),
        keep_last=task.optional_number("keepLast", 1, MAX_KEEP_LAST),
        destination=_decode_destination(task.nested("destination")),
        active_deadline_seconds=task.optional_number(
            "activeDeadlineSeconds", 1, MAX_ACTIVE_DEADLINE_SECONDS
        )
        or DEFAULT_ACTIVE_DEADLINE_SECONDS,
        time_zone=task.optional_text("timeZone"),
        schedule=task.optional_text("schedule"),
        wait_for=_decode_wait_for(task.optional_nested("waitFor")),
        exclude=_decode_exclusion(task.nested("exclude")) if task.has("exclude") else None,
    )


def _compact(members: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in members.items() if value is not None}


def _encode_wait_for(wait_for: WaitFor | None) -> dict[str, object]:
    if wait_for is None:
        return {}
    members = {
        "until": wait_for.until.value,
        "everySeconds": wait_for.every_seconds,
        "atMostSeconds": wait_for.at_most_seconds,
        "statuses": list(wait_for.statuses),
    }
    return {"waitFor": members}


def _decode_wait_for(wait_for: Members | None) -> WaitFor | None:
    if wait_for is None:
        return None
    return WaitFor(
        until=Until(wait_for.choice("until", tuple(Until))),
        every_seconds=wait_for.number("everySeconds", 1, MAX_LOOK_EVERY_SECONDS),
        at_most_seconds=wait_for.number("atMostSeconds", 1, MAX_ACTIVE_DEADLINE_SECONDS),
        statuses=wait_for.numbers("statuses", 202, 599),
    )


def _encode_destination(destination: Destination) -> dict[str, object]:
    match destination:
        case Volume(claim, path, overwrite, free_path):
            flags = {"overwrite": overwrite or None, "freePath": free_path or None}
            return {"volume": _compact({"claimName": claim, "path": path, **flags})}
        case S3(bucket, key, endpoint, region, secret):
            credentials = {"name": secret}
            s3 = {
                "bucket": bucket,
                "key": key,
                "endpoint": endpoint,
                "region": region,
                "credentialsSecretRef": credentials,
            }
            return {"s3": _compact(s3)}
    return {"discard": {}}


def _decode_destination(destination: Members) -> Destination:
    kind = destination.only_name()
    if kind == "volume":
        volume = destination.nested(kind)
        return Volume(
            volume.text("claimName"),
            volume.text("path"),
            volume.optional_flag("overwrite"),
            volume.optional_flag("freePath"),
        )
    if kind == "s3":
        s3 = destination.nested(kind)
        return S3(
            bucket=s3.text("bucket"),
            key=s3.text("key"),
            endpoint=s3.optional_text("endpoint"),
            region=s3.text("region"),
            secret=s3.nested("credentialsSecretRef").text("name"),
        )
    if kind == "discard":
        destination.nested(kind)
        return None
    raise ValueError(f"destination {kind!r} is unknown")


def _encode_exclusion(exclusion: "Exclusion") -> dict[str, object]:
    return _compact(
        {
            "timeZone": exclusion.time_zone,
            "dates": list(exclusion.dates),
            "weekdays": list(exclusion.weekdays),
            "monthDays": list(exclusion.month_days),
            "calendar": exclusion.calendar,
        }
    )


def _decode_exclusion(exclude: Members) -> "Exclusion":
    from download_schedule.attempt.exclusion import (  # noqa: PLC0415 - few attempts need it
        Exclusion,
    )

    return Exclusion(
        time_zone=exclude.text("timeZone"),
        dates=exclude.texts("dates"),
        weekdays=exclude.texts("weekdays"),
        month_days=exclude.numbers("monthDays", -1, 31),
        calendar=exclude.optional_text("calendar"),
    )


def _decode_header(header: Members) -> Header:
    decoded = Header(
        header.text("name"), header.optional_text("value"), header.optional_text("variable")
    )
    if (decoded.value is None) == (decoded.variable is None):
        raise ValueError(f"header {decoded.name!r} needs exactly one of value and variable")
    return decoded


def _decode_sha256(verify: Members) -> str | None:
    sha256 = verify.optional_text("sha256")
    if sha256 is not None and (len(sha256) != 64 or set(sha256) - set("0123456789abcdef")):
        raise ValueError("sha256 is not 64 lower-case hexadecimal digits")
    return sha256
