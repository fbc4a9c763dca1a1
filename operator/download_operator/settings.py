"""Settings of the operator, from environment variables that start with ``DOWNLOAD_OPERATOR_``."""

import ipaddress
import os
import re
import socket
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Final, Self

from pydantic import TypeAdapter, ValidationError

from download_operator.pod_scheduling import PodScheduling
from download_schedule import rules
from download_schedule.model import Destination, Model
from download_schedule.names import NAMESPACE

PREFIX: Final = "DOWNLOAD_OPERATOR_"

NAMESPACE_FILE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")

PULL_POLICIES: Final = ("Always", "IfNotPresent", "Never")
LOG_FORMATS: Final = ("text", "json")

_JSON_SETTINGS: Final[dict[type[Model], tuple[TypeAdapter[Any], str]]] = {
    Destination: (
        TypeAdapter(Annotated[Destination, rules.ONE_DESTINATION]),
        'spec.destination as JSON, for example {"volume": {"claimName": "downloads"}}',
    ),
    PodScheduling: (
        TypeAdapter(PodScheduling),
        "nodeSelector, tolerations and priorityClassName of a Pod's spec as JSON, for example "
        '{"nodeSelector": {"example.com/egress": "true"}}',
    ),
}


def own_namespace() -> str:
    """Return the Pod's namespace, or ``default`` outside of a cluster."""
    return NAMESPACE_FILE.read_text().strip() if NAMESPACE_FILE.exists() else "default"


def own_identity() -> str:
    """Return a name that a container keeps when it is restarted, and no other process has."""
    return f"{socket.gethostname()}-{os.getpid()}"


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
    worker_image_pull_secrets: tuple[str, ...] = field(
        default=(),
        metadata={"help": "Secrets to pull it with, in each schedule's namespace, comma-separated"},
    )
    pdf_image: str = field(
        default="", metadata={"help": "image for format pdf; empty: that format is refused"}
    )
    default_destination: Destination = field(
        default=Destination(),
        metadata={"help": "where files go whose schedule names no destination, as JSON"},
    )
    pod_scheduling: PodScheduling = field(
        default=PodScheduling(),
        metadata={"help": "nodeSelector, tolerations, priorityClassName of downloads, as JSON"},
    )
    proxy: str = field(
        default="",
        metadata={"help": "HTTP proxy for all downloads, http://host:port; it checks addresses"},
    )
    ca_config_map: str = field(
        default="",
        metadata={"help": "ConfigMap, in each schedule's namespace, whose ca.crt is trusted"},
    )
    log_format: str = field(
        default="text", metadata={"help": "of the downloads' progress: text or json"}
    )
    namespaces: tuple[str, ...] = field(
        default=(), metadata={"help": "namespaces to serve, comma-separated; empty: all of them"}
    )
    allow_cidrs: tuple[str, ...] = field(
        default=(),
        metadata={"help": "private address ranges that downloads may reach, comma-separated"},
    )
    workers: int = field(
        default=32, metadata={"help": "schedules reconciled at the same time, 1 to 256"}
    )
    lease_namespace: str = field(
        default_factory=own_namespace,
        metadata={"help": "namespace of the Lease that one replica at a time holds"},
    )
    identity: str = field(
        default_factory=own_identity,
        metadata={"help": "name of this replica in the Lease, another one for each"},
    )
    health_port: int = field(
        default=8081, metadata={"help": "port of GET /healthz and /metrics, 1 to 65535; 0: none"}
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
        if self.log_format not in LOG_FORMATS:
            raise ValueError(f"{PREFIX}LOG_FORMAT is {self.log_format!r}: write text or json")
        if self.proxy:
            _check_proxy(self.proxy)
        for cidr in self.allow_cidrs:
            _check_range(cidr)
        for namespace in self.namespaces:
            _check_namespace("NAMESPACES", namespace)
        _check_namespace("LEASE_NAMESPACE", self.lease_namespace)
        if not self.identity:
            # An empty name in the Lease stands for nobody: each replica would take it.
            raise ValueError(f"{PREFIX}IDENTITY is empty: name this replica or leave it out")

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
    return "\n".join(
        f"  {PREFIX + spec.name.upper():<45} {spec.metadata['help']} [{_default(spec)}]"
        for spec in fields(Settings)
    )


def _default(spec: Field[Any]) -> str:
    if spec.default_factory is not MISSING:
        return str(spec.default_factory())
    if isinstance(spec.default, Model):
        return ""
    if isinstance(spec.default, tuple):
        return ",".join(spec.default)
    return "" if spec.default is MISSING else str(spec.default)


def _value(name: str, kind: Any, text: str) -> Any:
    if kind is int:
        try:
            return int(text)
        except ValueError:
            raise ValueError(f"{name} is {text!r}: write a whole number") from None
    if kind is str:
        return text
    if kind in _JSON_SETTINGS:
        return _from_json(name, kind, text)
    parts = tuple(part.strip() for part in text.split(",") if part.strip())
    if text and not parts:  # an empty list means all namespaces, and a slip must not
        raise ValueError(f"{name} is {text!r}, which names nothing: name some or leave it empty")
    return parts


def _from_json(name: str, kind: type[Model], text: str) -> Any:
    adapter, what = _JSON_SETTINGS[kind]
    try:
        return adapter.validate_json(text or "{}")
    except ValidationError as error:
        found = error.errors()[0]
        words = ": ".join(filter(None, [".".join(map(str, found["loc"])), found["msg"]]))
        raise ValueError(f"{name}: {words}: write {what}") from None


def _check_namespace(name: str, namespace: str) -> None:
    """The API server lists a namespace of any name, as an empty one."""
    if not re.fullmatch(NAMESPACE, namespace):
        raise ValueError(
            f"{PREFIX}{name} has {namespace!r}, which no namespace is called: write for example "
            "default"
        )


def _check_proxy(proxy: str) -> None:
    if "@" in proxy:  # what is refused is logged
        raise ValueError(
            f"{PREFIX}PROXY must hold no user name or password: write http://host:port"
        )
    found = re.fullmatch(r"http://[^/\s]+:(\d{1,5})", proxy)
    if not found or not 1 <= int(found[1]) <= 65535:
        raise ValueError(f"{PREFIX}PROXY is {proxy!r}: write http://host:port")


def _check_range(cidr: str) -> None:
    try:
        ipaddress.ip_network(cidr)
    except ValueError as error:
        raise ValueError(
            f"{PREFIX}ALLOW_CIDRS has {cidr!r} ({error}): write for example 10.96.0.0/16"
        ) from None
