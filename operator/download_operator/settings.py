"""Settings of the operator, from environment variables that start with ``DOWNLOAD_OPERATOR_``."""

import os
import re
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, from_json
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from download_operator.pod_egress import MAX_RANGES, Allowance, Cidr, EgressRules, Port, check_size
from download_operator.pod_resources import DEFAULTS, Resources, with_defaults
from download_operator.pod_scheduling import PodScheduling
from download_schedule import rules
from download_schedule.model import Destination, Format, Model
from download_schedule.names import NAMESPACE
from download_schedule.namespaces import ServedNamespaces

PREFIX: Final = "DOWNLOAD_OPERATOR_"
WORKER_USER: Final = 65532
"""User and group of the worker's image."""

NAMESPACE_FILE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")

_SCALAR_ERRORS: Final = frozenset(
    {
        "bool_parsing",
        "greater_than_equal",
        "int_parsing",
        "int_parsing_size",
        "less_than_equal",
        "literal_error",
    }
)
"""pydantic's errors about a number or a word, whose own messages do not repeat it."""


@dataclass(frozen=True, slots=True)
class Hint:
    """What to write instead of a value that is not valid."""

    text: str


def own_namespace() -> str:
    """Return the Pod's namespace, or ``default`` outside of a cluster."""
    return NAMESPACE_FILE.read_text().strip() if NAMESPACE_FILE.exists() else "default"


def own_identity() -> str:
    """Return a name that a container keeps when it restarts, and that no other process has."""
    return f"{socket.gethostname()}-{os.getpid()}"


def _split(value: Any) -> Any:
    """Split a comma-separated list.

    An empty list of namespaces means all of them. A value that only looks empty may be a mistake.
    """
    if not isinstance(value, str):
        return value
    parts = tuple(part.strip() for part in value.split(",") if part.strip())
    if value and not parts:
        raise ValueError(f"is {value!r}, a list without an entry")
    return parts


def _split_numbers(value: Any) -> Any:
    """Split a comma-separated list of numbers."""
    if not isinstance(value, str):
        return value
    return tuple(int(part) if part.isdecimal() else part for part in _split(value))


def _read_json_list(value: Any) -> Any:
    return _read_json(value or "[]") if isinstance(value, str) else value


def _read_json(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return from_json(value or "{}")
    except ValueError as error:
        raise ValueError(f"is not JSON ({error})") from None


def _check_not_empty(value: str) -> str:
    if not value:
        raise ValueError("is empty")
    return value


def _check_namespace(namespace: str) -> str:
    """Refuse other names: the API server would treat any name as that of an empty namespace."""
    if not re.fullmatch(NAMESPACE, namespace):
        raise ValueError(f"has {namespace!r}, which is not the name of a namespace")
    return namespace


def _check_proxy(proxy: str) -> str:
    if "@" in proxy:  # the message is logged, so it must not repeat a password
        raise ValueError("must not contain a user name or password")
    match = re.fullmatch(r"http://[^/\s]+:(\d{1,5})", proxy)
    if proxy and not (match and 1 <= int(match[1]) <= 65535):
        raise ValueError(f"is {proxy!r}")
    return proxy


def _empty_as_none(value: Any) -> Any:
    return None if value == "" else value


MAX_ID: Final = 2**31 - 1
"""Largest id of a user or group that Kubernetes accepts."""

Id = Annotated[
    Annotated[int, Field(ge=1, le=MAX_ID)] | None,
    BeforeValidator(_empty_as_none),
    Hint(f"a whole number from 1 to {MAX_ID}, or nothing to leave it to the cluster"),
]
Namespace = Annotated[str, AfterValidator(_check_namespace)]


class Settings(BaseSettings):
    """What the operator's administrator decides. Read it with :func:`read_settings`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True)

    worker_image: Annotated[
        str, AfterValidator(_check_not_empty), Hint("the name of the worker's image")
    ] = Field(description="image of the downloads' containers (required)")
    worker_image_pull_policy: Annotated[
        Literal["Always", "IfNotPresent", "Never"], Hint("Always, IfNotPresent or Never")
    ] = Field("IfNotPresent", description="Always, IfNotPresent or Never")
    worker_image_pull_secrets: Annotated[
        tuple[str, ...], NoDecode, BeforeValidator(_split), Hint("names of Secrets, or nothing")
    ] = Field(
        (),
        description="Secrets to pull the images with, in each schedule's namespace, "
        "comma-separated",
    )
    pdf_image: str = Field("", description="image for format pdf; if empty, that format is refused")
    default_destination: Annotated[
        Destination,
        NoDecode,
        BeforeValidator(_read_json),
        rules.ONE_DESTINATION,
        Hint('spec.destination as JSON, for example {"volume": {"claimName": "downloads"}}'),
    ] = Field(Destination(), description="destination of schedules that do not name one, as JSON")
    free_paths: Annotated[bool, Hint("true or false")] = Field(
        False,
        description="whether files may be written outside of {namespace}/{name}/ of their claim",
    )
    pod_run_as_user: Id = Field(
        WORKER_USER,
        description="user and group of downloads; if empty, the cluster or the image decides",
    )
    pod_fs_group: Id = Field(
        WORKER_USER,
        description="group that Kubernetes gives a claim's files to; if empty, the cluster decides",
    )
    pod_scheduling: Annotated[
        PodScheduling,
        NoDecode,
        BeforeValidator(_read_json),
        Hint(
            "nodeSelector, tolerations and priorityClassName of a Pod's spec as JSON, "
            'for example {"nodeSelector": {"example.com/egress": "true"}}'
        ),
    ] = Field(
        PodScheduling(),
        description="nodeSelector, tolerations and priorityClassName of downloads, as JSON",
    )
    pod_resources: Annotated[
        dict[Format, Resources],
        NoDecode,
        BeforeValidator(_read_json),
        AfterValidator(with_defaults),
        Hint(
            "requests and limits by format as JSON, "
            'for example {"text": {"limits": {"memory": "2Gi"}}}'
        ),
    ] = Field(dict(DEFAULTS), description="requests and limits of downloads, by format, as JSON")
    proxy: Annotated[str, AfterValidator(_check_proxy), Hint("http://host:port")] = Field(
        "", description="HTTP proxy of all downloads, http://host:port; it checks addresses"
    )
    ca_config_map: str = Field(
        "", description="ConfigMap in each schedule's namespace whose ca.crt is trusted"
    )
    log_format: Annotated[Literal["text", "json"], Hint("text or json")] = Field(
        "text", description="format of the downloads' logs: text or json"
    )
    namespaces: Annotated[
        tuple[Namespace, ...],
        NoDecode,
        BeforeValidator(_split),
        Hint("for example default, or nothing for all namespaces"),
    ] = Field(
        (),
        description="namespaces to serve, comma-separated; if empty, all but system namespaces: "
        "kube-* and that of RELEASE_NAMESPACE",
    )
    system_namespaces: Annotated[
        tuple[Namespace, ...],
        NoDecode,
        BeforeValidator(_split),
        Hint("for example download-operator, or nothing"),
    ] = Field((), description="system namespaces to serve nevertheless, comma-separated")
    release_namespace: Annotated[str, Hint("for example download-operator, or nothing")] = Field(
        "", description="namespace of the installation itself, which the chart sets"
    )
    allow_cidrs: Annotated[
        tuple[Cidr, ...],
        Field(max_length=MAX_RANGES),
        NoDecode,
        BeforeValidator(_split),
        Hint("for example 10.96.0.0/16, or nothing"),
    ] = Field((), description="private address ranges that downloads may reach, comma-separated")
    allow: Annotated[
        tuple[Allowance, ...],
        NoDecode,
        BeforeValidator(_read_json_list),
        AfterValidator(check_size),
        Hint(
            "a list of ranges as JSON, for example "
            '[{"cidr": "10.0.0.0/8", "namespaces": ["team-a"], "ports": [443]}]'
        ),
    ] = Field((), description="the same by namespace and port, as JSON")
    deny_cidrs: Annotated[
        tuple[Cidr, ...],
        Field(max_length=MAX_RANGES),
        NoDecode,
        BeforeValidator(_split),
        Hint("for example 11.0.0.0/8, or nothing"),
    ] = Field(
        (),
        description="address ranges that downloads never reach, whatever else is allowed, "
        "comma-separated",
    )
    allow_ports: Annotated[
        tuple[Port, ...],
        Field(max_length=MAX_RANGES),
        NoDecode,
        BeforeValidator(_split_numbers),
        Hint("numbers from 1 to 65535, for example 81, or nothing"),
    ] = Field(
        (),
        description="ports that downloads may use beside 80, 443 and those above 1023, "
        "comma-separated",
    )
    workers: Annotated[int, Field(ge=1, le=256), Hint("a whole number from 1 to 256")] = Field(
        32, description="schedules reconciled at the same time, 1 to 256"
    )
    lease_namespace: Annotated[Namespace, Hint("for example default")] = Field(
        default_factory=own_namespace,
        description="namespace of the Lease, which one replica at a time holds",
    )
    identity: Annotated[
        str,
        # An empty holder means that the Lease is free: every replica would take it.
        AfterValidator(_check_not_empty),
        Hint("a name for this replica, or remove the variable"),
    ] = Field(
        default_factory=own_identity,
        description="name of this replica in the Lease, different for each replica",
    )
    health_port: Annotated[int, Field(ge=0, le=65535), Hint("a whole number from 0 to 65535")] = (
        Field(8081, description="port of GET /healthz and /metrics, 1 to 65535; 0 for none")
    )

    @property
    def egress(self) -> EgressRules:
        """Where downloads may connect to."""
        return EgressRules(self.allow_cidrs, self.allow, self.deny_cidrs, self.allow_ports)

    @property
    def served(self) -> ServedNamespaces:
        """The namespaces whose schedules the operator carries out."""
        return ServedNamespaces(self.namespaces, self.release_namespace, self.system_namespaces)


def read_settings() -> Settings:
    """Read the settings from the environment.

    Raises:
        ValueError: a variable is unknown, or its value is not valid. The message names the variable
            and says what to write.
    """
    variables = set(map(_variable, Settings.model_fields))
    for name in sorted(os.environ):
        if name.startswith(PREFIX) and name not in variables:
            raise ValueError(f"{name} is not a setting; --help lists all settings")
    try:
        return Settings()
    except ValidationError as error:
        raise ValueError(_sentence(error.errors()[0])) from None


def help_text() -> str:
    """Return one line for each setting: variable, meaning, default."""
    return "\n".join(
        f"  {_variable(name):<45} {field.description} [{_default(field)}]"
        for name, field in Settings.model_fields.items()
    )


def _variable(field: str) -> str:
    return PREFIX + field.upper()


def _default(field: FieldInfo) -> str:
    default = "" if field.is_required() else field.get_default(call_default_factory=True)
    if isinstance(default, tuple):
        return ",".join(map(str, default))
    if isinstance(default, bool):
        return str(default).lower()
    return "" if isinstance(default, Model | dict) else str(default)


def _sentence(error: ErrorDetails) -> str:
    """Return what is wrong with which variable, and what to write."""
    field, *path = map(str, error["loc"])
    hints = [item.text for item in Settings.model_fields[field].metadata if isinstance(item, Hint)]
    return f"{_variable(field)}{_problem(error, path)}: write {' '.join(hints)}"


def _problem(error: ErrorDetails, path: list[str]) -> str:
    if error["type"] == "missing" and not path:
        return " is missing"
    if error["type"] == "value_error":  # raised by one of the checks above
        return f" {error['ctx']['error']}"
    if error["type"] in _SCALAR_ERRORS and not path:
        return f" is {error['input']!r}"
    return f": {': '.join(filter(None, ('.'.join(path), error['msg'])))}"
