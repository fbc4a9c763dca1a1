"""Settings of the operator, from environment variables that start with ``DOWNLOAD_OPERATOR_``."""

import os
import socket
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from download_operator.pod_egress import MAX_RANGES, Allowance, Cidr, EgressRules, Port, check_size
from download_operator.pod_resources import DEFAULTS, Resources, with_defaults
from download_operator.pod_scheduling import PodScheduling
from download_operator.setting_values import (
    Hint,
    Id,
    Namespace,
    check_not_empty,
    check_proxy,
    read_json,
    read_json_list,
    split,
    split_numbers,
)
from download_schedule import rules
from download_schedule.model import Destination, Format, Model
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


def own_namespace() -> str:
    """Return the Pod's namespace, or ``default`` outside of a cluster."""
    return NAMESPACE_FILE.read_text().strip() if NAMESPACE_FILE.exists() else "default"


def own_identity() -> str:
    """Return a name that a container keeps when it restarts, and that no other process has."""
    return f"{socket.gethostname()}-{os.getpid()}"


class Settings(BaseSettings):
    """What the operator's administrator decides. Read it with :func:`read_settings`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True)

    worker_image: Annotated[
        str, AfterValidator(check_not_empty), Hint("the name of the worker's image")
    ] = Field(description="image of the downloads' containers (required)")
    worker_image_pull_policy: Annotated[
        Literal["Always", "IfNotPresent", "Never"], Hint("Always, IfNotPresent or Never")
    ] = Field("IfNotPresent", description="Always, IfNotPresent or Never")
    worker_image_pull_secrets: Annotated[
        tuple[str, ...], NoDecode, BeforeValidator(split), Hint("names of Secrets, or nothing")
    ] = Field(
        (),
        description="Secrets to pull the images with, in each schedule's namespace, "
        "comma-separated",
    )
    pdf_image: str = Field("", description="image for format pdf; if empty, that format is refused")
    default_destination: Annotated[
        Destination,
        NoDecode,
        BeforeValidator(read_json),
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
        BeforeValidator(read_json),
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
        BeforeValidator(read_json),
        AfterValidator(with_defaults),
        Hint(
            "requests and limits by format as JSON, "
            'for example {"text": {"limits": {"memory": "2Gi"}}}'
        ),
    ] = Field(dict(DEFAULTS), description="requests and limits of downloads, by format, as JSON")
    proxy: Annotated[str, AfterValidator(check_proxy), Hint("http://host:port")] = Field(
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
        BeforeValidator(split),
        Hint("for example default, or nothing for all namespaces"),
    ] = Field(
        (),
        description="namespaces to serve, comma-separated; if empty, all but system namespaces: "
        "kube-* and that of RELEASE_NAMESPACE",
    )
    system_namespaces: Annotated[
        tuple[Namespace, ...],
        NoDecode,
        BeforeValidator(split),
        Hint("for example download-operator, or nothing"),
    ] = Field((), description="system namespaces to serve nevertheless, comma-separated")
    release_namespace: Annotated[str, Hint("for example download-operator, or nothing")] = Field(
        "", description="namespace of the installation itself, which the chart sets"
    )
    allow_cidrs: Annotated[
        tuple[Cidr, ...],
        Field(max_length=MAX_RANGES),
        NoDecode,
        BeforeValidator(split),
        Hint("for example 10.96.0.0/16, or nothing"),
    ] = Field((), description="private address ranges that downloads may reach, comma-separated")
    allow: Annotated[
        tuple[Allowance, ...],
        NoDecode,
        BeforeValidator(read_json_list),
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
        BeforeValidator(split),
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
        BeforeValidator(split_numbers),
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
        AfterValidator(check_not_empty),
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
