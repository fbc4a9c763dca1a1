"""Settings of the HTTP API, from environment variables that start with ``DOWNLOAD_API_``."""

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

from download_schedule.names import NAMESPACE

PREFIX: Final = "DOWNLOAD_API_"
LOOPBACK: Final = "127.0.0.1"


class MountedClaim(NamedTuple):
    """A PersistentVolumeClaim, and the folder where its files are."""

    namespace: str
    name: str
    folder: Path


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What whoever installs the API decides.

    Raises:
        ValueError: a value is out of bounds; the sentence names the variable and what to write.
    """

    host: str = field(
        default=LOOPBACK,
        metadata={"help": "address to listen on; without authentication always loopback"},
    )
    port: int = field(default=8080, metadata={"help": "port to listen on, 1 to 65535"})
    auth: str = field(
        default="",
        metadata={"help": "key or kubernetes; unset: key with a key file, else loopback only"},
    )
    key_file: Path | None = field(
        default=None,
        metadata={"help": "file with the API key; of kubernetes, with a JSON list of hashed keys"},
    )
    audience: str = field(
        default="download-operator",
        metadata={"help": "whom tokens must be made for; empty: the API server itself"},
    )
    namespace: str = field(
        default="default", metadata={"help": "where schedules are made that name no namespace"}
    )
    rate_limit: int = field(
        default=600, metadata={"help": "requests a minute of one caller, up to 1000000; 0: any"}
    )
    trusted_proxies: tuple[str, ...] = field(
        default=(),
        metadata={"help": "address ranges whose X-Forwarded-For is believed, comma-separated"},
    )
    metrics_port: int = field(default=8082, metadata={"help": "port of /metrics; 0: none"})
    content_volumes: tuple[MountedClaim, ...] = field(
        default=(),
        metadata={
            "help": "claims whose files are served: NAMESPACE/CLAIM=/FOLDER, comma-separated"
        },
    )

    def __post_init__(self) -> None:
        if not 0 <= self.rate_limit <= 1_000_000:
            raise ValueError(
                f"{PREFIX}RATE_LIMIT is {self.rate_limit}: write a number from 0 to 1000000"
            )
        if not 1 <= self.port <= 65535:
            raise ValueError(f"{PREFIX}PORT is {self.port}: write a number from 1 to 65535")
        if not 0 <= self.metrics_port <= 65535 or self.metrics_port == self.port:
            raise ValueError(
                f"{PREFIX}METRICS_PORT is {self.metrics_port}: write another number from 1 to "
                "65535, or 0 for none"
            )
        if not re.fullmatch(NAMESPACE, self.namespace):
            raise ValueError(
                f"{PREFIX}NAMESPACE is {self.namespace!r}: name a namespace or leave it out"
            )
        if self.auth not in ("", "key", "kubernetes"):
            raise ValueError(f"{PREFIX}AUTH is {self.auth!r}: write key or kubernetes")
        if self.auth == "key" and not self.key_file:
            raise ValueError(f"{PREFIX}AUTH is key: name the file with it in {PREFIX}KEY_FILE")
        for proxy in self.trusted_proxies:
            _check_range(proxy)

    @property
    def is_open(self) -> bool:
        """Whether callers need not say who they are."""
        return not self.auth and not self.key_file

    @property
    def bind(self) -> str:
        """The address to listen on: nobody but this machine reaches what is open."""
        return LOOPBACK if self.is_open else self.host

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Read the settings; an unknown variable of the prefix is an error, as is a bad value.

        Raises:
            ValueError: see the class.
        """
        given = {
            name.removeprefix(PREFIX).lower(): text
            for name, text in environment.items()
            if name.startswith(PREFIX)
        }
        known = {spec.name: spec for spec in fields(cls)}
        if unknown := sorted(given.keys() - known.keys()):
            name = PREFIX + unknown[0].upper()
            raise ValueError(f"{name} is not a setting; see --help for the ones there are")
        return cls(**{name: _value(known[name], text) for name, text in given.items()})


def _value(spec: Field[Any], text: str) -> Any:
    match spec.name:
        case "key_file":
            return Path(text) if text else None
        case "trusted_proxies":
            return _parts(text)
        case "content_volumes":
            return tuple(map(_mounted, _parts(text)))
    return _number(spec.name, text) if isinstance(spec.default, int) else text


def _number(name: str, text: str) -> int:
    if not text.isdecimal():
        raise ValueError(f"{PREFIX}{name.upper()} is {text!r}: write a whole number")
    return int(text)


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _check_range(text: str) -> None:
    try:
        ipaddress.ip_network(text)
    except ValueError as error:
        raise ValueError(
            f"{PREFIX}TRUSTED_PROXIES has {text!r} ({error}): write for example 10.0.0.0/8"
        ) from None


def _mounted(text: str) -> MountedClaim:
    found = re.fullmatch("([^/=]+)/([^/=]+)=(/.*)", text)
    if not found:
        raise ValueError(
            f"{PREFIX}CONTENT_VOLUMES has {text!r}: write NAMESPACE/CLAIM=/FOLDER, comma-separated"
        )
    return MountedClaim(found[1], found[2], Path(found[3]))


def help_text() -> str:
    """Return one line for each setting: variable, meaning, default."""
    return "\n".join(
        f"  {PREFIX + spec.name.upper():<28} {spec.metadata['help']} [{spec.default or ''}]"
        for spec in fields(Settings)
    )
