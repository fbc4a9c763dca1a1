"""Settings of the operator, from environment variables that start with ``DOWNLOAD_OPERATOR_``."""

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Final, Self

PREFIX: Final = "DOWNLOAD_OPERATOR_"

PULL_POLICIES: Final = ("Always", "IfNotPresent", "Never")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What whoever installs the operator decides.

    Raises:
        ValueError: a value is out of bounds; the sentence names the variable and what to write.
    """

    worker_image: str = field(metadata={"help": "image of the downloads' containers (required)"})
    worker_image_pull_policy: str = field(
        default="IfNotPresent", metadata={"help": "Always, IfNotPresent or Never"}
    )
    namespaces: tuple[str, ...] = field(
        default=(), metadata={"help": "namespaces to serve, comma-separated; empty: all of them"}
    )
    allow_cidrs: tuple[str, ...] = field(
        default=(),
        metadata={"help": "private address ranges that downloads may reach, comma-separated"},
    )
    workers: int = field(
        default=16, metadata={"help": "schedules reconciled at the same time, 1 to 256"}
    )
    health_port: int = field(
        default=8081, metadata={"help": "port of GET /healthz, 1 to 65535; 0: none"}
    )

    def __post_init__(self) -> None:
        if not self.worker_image:
            raise ValueError(f"{PREFIX}WORKER_IMAGE is missing: name the image of the worker")
        if self.worker_image_pull_policy not in PULL_POLICIES:
            raise ValueError(
                f"{PREFIX}WORKER_IMAGE_PULL_POLICY is {self.worker_image_pull_policy!r}: "
                f"write {', '.join(PULL_POLICIES[:-1])} or {PULL_POLICIES[-1]}"
            )
        if not 1 <= self.workers <= 256:
            raise ValueError(f"{PREFIX}WORKERS is {self.workers}: write a number from 1 to 256")
        if not 0 <= self.health_port <= 65535:
            raise ValueError(
                f"{PREFIX}HEALTH_PORT is {self.health_port}: write a number from 0 to 65535"
            )
        for cidr in self.allow_cidrs:
            _check_range(cidr)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Read the settings; an unknown variable of the prefix is an error, as is a bad value.

        Raises:
            ValueError: see the class.
        """
        known = {PREFIX + spec.name.upper(): spec for spec in fields(cls)}
        given = {name: text for name, text in environment.items() if name.startswith(PREFIX)}
        if unknown := sorted(given.keys() - known.keys()):
            raise ValueError(f"{unknown[0]} is not a setting; see --help for the ones there are")
        values = {"worker_image": ""} | {
            known[name].name: _value(name, known[name].type, text) for name, text in given.items()
        }
        return cls(**values)


def help_text() -> str:
    """Return one line for each setting: variable, meaning, default."""
    lines = []
    for spec in fields(Settings):
        default = "" if spec.default is MISSING else spec.default
        shown = ",".join(default) if isinstance(default, tuple) else default
        lines.append(f"  {PREFIX + spec.name.upper():<45} {spec.metadata['help']} [{shown}]")
    return "\n".join(lines)


def _value(name: str, kind: Any, text: str) -> Any:
    if kind is int:
        try:
            return int(text)
        except ValueError:
            raise ValueError(f"{name} is {text!r}: write a whole number") from None
    if kind is str:
        return text
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _check_range(cidr: str) -> None:
    try:
        ipaddress.ip_network(cidr)
    except ValueError as error:
        raise ValueError(
            f"{PREFIX}ALLOW_CIDRS has {cidr!r} ({error}): write for example 10.96.0.0/16"
        ) from None
