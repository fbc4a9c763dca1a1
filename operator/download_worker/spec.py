"""What the operator asks of a container, from its environment."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import Any, Final

from download_worker.addresses import Network
from download_worker.errors import DownloadError, Reason
from download_worker.redirects import Request

_PLACEHOLDER: Final = re.compile(r"\{(namespace|name|scheduled|filename)\}")
_MINUTES: Final = re.compile(r"-([0-9]{8})$")


@dataclass(frozen=True, slots=True)
class Volume:
    """Keep the file on the claim mounted into the container."""

    claim: str
    path: str
    """Template; see :meth:`Spec.path`."""


@dataclass(frozen=True, slots=True)
class Spec:
    """One attempt of one run."""

    namespace: str
    name: str
    job: str
    request: Request
    volume: Volume | None
    allowed: tuple[Network, ...]

    def path(self, volume: Volume, filename: str, now: datetime) -> str:
        """Fill in the template: where in the volume the file goes.

        ``{scheduled}`` is the tick, which the CronJob controller puts at the end of the Job's name
        as minutes since 1970; of a Job that no tick made it is *now*.
        """
        found = _MINUTES.search(self.job)
        moment = datetime.fromtimestamp(int(found[1]) * 60, UTC) if found else now
        values = {
            "namespace": self.namespace,
            "name": self.name,
            "scheduled": moment.strftime("%Y%m%dT%H%M%SZ"),
            "filename": filename,
        }
        return _PLACEHOLDER.sub(lambda match: values[match[1]], volume.path)


def read(environment: Mapping[str, str]) -> Spec:
    """Read the container's environment.

    Raises:
        DownloadError: it is not what this version of the worker understands.
    """
    try:
        spec = json.loads(environment["DOWNLOAD_SPEC"])
        if spec["format"] != "raw":
            raise ValueError(f"format {spec['format']}")
        ranges = environment.get("DOWNLOAD_WORKER_ALLOW_CIDRS", "").split(",")
        return Spec(
            namespace=environment["DOWNLOAD_NAMESPACE"],
            name=environment["DOWNLOAD_NAME"],
            job=environment["DOWNLOAD_JOB"],
            request=_request(spec),
            volume=_volume(spec["destination"]),
            allowed=tuple(ip_network(text.strip()) for text in ranges if text.strip()),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DownloadError(
            Reason.INVALID_SPEC,
            f"The worker does not understand its environment ({error!r}): "
            "use the worker image of the operator's own version.",
        ) from error


def _request(spec: Any) -> Request:
    headers = tuple((header["name"], header["value"]) for header in spec.get("headers", ()))
    return Request(spec["url"], headers)


def _volume(destination: Any) -> Volume | None:
    match destination:
        case {"volume": {"claimName": str(claim), "path": str(path)}}:
            return Volume(claim, path)
        case {"discard": _}:
            return None
    raise ValueError("destination")  # never discard what should have been kept
