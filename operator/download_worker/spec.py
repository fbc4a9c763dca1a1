"""What the operator asks of a container, from its environment."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any, Final

from download_worker.download import Order
from download_worker.egress.policy import Network
from download_worker.errors import DownloadError, Reason
from download_worker.formats.converters import FORMATS, OF_PAGES
from download_worker.http.curl import Limits
from download_worker.http.redirects import Request

if TYPE_CHECKING:
    from download_worker.s3.client import Bucket

_PLACEHOLDER: Final = re.compile(r"\{(namespace|name|scheduled|filename)\}")
_MINUTES: Final = re.compile(r"-([0-9]{8})$")
_FIRST_TICK: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""No schedule is older: what names an earlier moment is a date in the name of a Job by hand."""
_CLOCKS_DIFFER: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Volume:
    """Keep the file on the claim mounted into the container."""

    claim: str
    path: str
    """Template; see :meth:`Spec.path`."""


@dataclass(frozen=True, slots=True)
class S3:
    """Keep the file in a bucket."""

    bucket: "Bucket"
    key: str
    """Template; see :meth:`Spec.path`."""
    run: str
    """The Job's UID, by which a run is known in the schedule's history."""

    @property
    def key_is_of_one_run(self) -> bool:
        """Whether no two runs of a schedule are to have the same key."""
        return "{scheduled}" in self.key


@dataclass(frozen=True, slots=True)
class Spec:
    """One attempt of one run."""

    namespace: str
    name: str
    job: str
    order: Order
    format: str
    volume: Volume | None
    s3: S3 | None
    only_if_changed: bool
    keep_last: int | None

    def path(self, template: str, filename: str, now: datetime) -> str:
        """Fill in the template: where in the volume or bucket the file goes.

        ``{scheduled}`` is the tick, which the CronJob controller puts at the end of the Job's name
        as minutes since 1970; of a Job that no tick made it is *now*.

        Raises:
            DownloadError: the template has a character that is not to be seen.
        """
        if not template.isprintable():
            raise DownloadError(
                Reason.INVALID_PATH,
                "The path has a character that is not to be seen, such as a control character or "
                "one that turns the direction of writing: leave it out.",
            )
        found = _MINUTES.search(self.job)
        tick = datetime.fromtimestamp(int(found[1]) * 60, UTC) if found else now
        moment = tick if _FIRST_TICK <= tick <= now + _CLOCKS_DIFFER else now
        values = {
            "namespace": self.namespace,
            "name": self.name,
            "scheduled": moment.strftime("%Y%m%dT%H%M%SZ"),
            "filename": filename,
        }
        return _PLACEHOLDER.sub(lambda match: values[match[1]], template)


def read(environment: Mapping[str, str]) -> Spec:
    """Read the container's environment.

    Raises:
        DownloadError: it is not what this version of the worker understands.
    """
    try:
        spec = json.loads(environment["DOWNLOAD_SPEC"])
        destination = spec["destination"]
        if spec["format"] not in FORMATS or len(destination) != 1:
            raise ValueError(f"format {spec['format']}, destination {set(destination)}")
        order = _order(spec, environment)
        return Spec(
            namespace=spec["namespace"],
            name=spec["name"],
            job=environment["DOWNLOAD_JOB"],
            order=order,
            format=spec["format"],
            volume=_volume(destination),
            s3=_s3(destination, environment, order.limits),
            only_if_changed=spec["onlyIfChanged"],
            keep_last=spec["keepLast"],
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DownloadError(
            Reason.INVALID_SPEC,
            f"The worker does not understand its environment ({error!r}): "
            "use the worker image of the operator's own version.",
        ) from error


def _ranges(environment: Mapping[str, str]) -> tuple[Network, ...]:
    texts = environment.get("DOWNLOAD_WORKER_ALLOW_CIDRS", "").split(",")
    return tuple(ip_network(text.strip()) for text in texts if text.strip())


def _order(spec: Any, environment: Mapping[str, str]) -> Order:
    request, verify = spec["request"], spec["verify"]
    headers = tuple((h["name"], _value(h, environment)) for h in request["headers"])
    return Order(
        request=Request(spec["url"], headers, request["method"], request.get("body", "").encode()),
        limits=Limits(
            allowed=_ranges(environment),
            connect_seconds=request["connectTimeoutSeconds"],
            stall_seconds=request["stallTimeoutSeconds"],
            proxy=environment.get("DOWNLOAD_WORKER_PROXY", ""),
        ),
        max_redirects=request["maxRedirects"],
        min_bytes=verify["minBytes"],
        max_bytes=verify["maxBytes"],
        sha256=verify.get("sha256"),
        content_types=tuple(verify["contentTypes"]),
        compressed=request["compressed"] or spec["format"] in OF_PAGES,
    )


def _value(header: Any, environment: Mapping[str, str]) -> str:
    """Return a header's value; one from a Secret may end in the line break of the file it was."""
    if "value" in header:
        return str(header["value"])
    value = environment[header["variable"]].rstrip("\r\n")
    if not value.isascii() or not value.isprintable():
        raise DownloadError(
            Reason.INVALID_SPEC,
            f"The Secret's value for the header {header['name']} is not printable ASCII on one "
            "line: correct the Secret.",
        )
    return value


def _volume(destination: Any) -> Volume | None:
    match destination:
        case {"volume": {"claimName": str(claim), "path": str(path)}}:
            return Volume(claim, path)
        case {"discard": _} | {"s3": _}:
            return None
    raise ValueError("destination")  # never discard what should have been kept


def _s3(destination: Any, environment: Mapping[str, str], limits: Limits) -> S3 | None:
    if "s3" not in destination:
        return None
    from download_worker.s3.client import Bucket

    s3 = destination["s3"]
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    credentials = {name: environment[name].strip() for name in names if name in environment}
    for name, value in credentials.items():
        if not value.isascii() or not value.isprintable():
            raise DownloadError(
                Reason.INVALID_SPEC,
                f"{name} in the Secret {s3['credentialsSecretRef']['name']} is not printable ASCII "
                "on one line: correct the Secret.",
            )
    bucket = Bucket(
        name=s3["bucket"],
        endpoint=s3.get("endpoint"),
        region=s3["region"],
        credentials=credentials,
        secret=s3["credentialsSecretRef"]["name"],
        limits=limits,
    )
    return S3(bucket, s3["key"], environment["DOWNLOAD_RUN"])
