"""Settings of the HTTP API, from environment variables that start with ``DOWNLOAD_API_``."""

import ipaddress
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple, Self, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from download_schedule.names import NAMESPACE
from download_schedule.namespaces import ServedNamespaces

T = TypeVar("T")

PREFIX: Final = "DOWNLOAD_API_"
LOOPBACK: Final = "127.0.0.1"


@dataclass(frozen=True)
class Advice:
    """Annotation of a setting: what to write instead of a wrong value."""

    text: str


class MountedClaim(NamedTuple):
    """A PersistentVolumeClaim, and the folder at which it is mounted."""

    namespace: str
    name: str
    folder: Path


def _split_at_commas(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return tuple(part.strip() for part in value.split(",") if part.strip())


def _split_mounted_claim(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    match = re.fullmatch("([^/=]+)/([^/=]+)=(/.*)", value)
    if match is None:
        raise ValueError("not a claim and its folder")
    return match.groups()


def _check_address_range(text: str) -> str:
    ipaddress.ip_network(text)
    return text


CommaSeparated = Annotated[tuple[T, ...], NoDecode, BeforeValidator(_split_at_commas)]
Namespace = Annotated[str, Field(pattern=NAMESPACE)]
NAMES_OF_NAMESPACES: Final = Advice("write names of namespaces, separated by commas, or nothing")


class Settings(BaseSettings):
    """What the person who installs the API decides."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True)

    host: Annotated[
        str, Field(description="address to listen on; always loopback without authentication")
    ] = LOOPBACK
    port: Annotated[
        int,
        Field(ge=1, le=65535, description="port to listen on, 1 to 65535"),
        Advice("write a number from 1 to 65535"),
    ] = 8080
    auth: Annotated[
        Literal["", "key", "kubernetes"],
        Field(description="key or kubernetes; unset: key if there is a key file, otherwise none"),
        Advice("write key or kubernetes"),
    ] = ""
    key_file: Annotated[
        Path | None,
        BeforeValidator(lambda path: path or None),
        Field(description="file with the API key; for kubernetes: with a JSON list of hashed keys"),
    ] = None
    audience: Annotated[
        str, Field(description="audience that tokens must have; empty: that of the API server")
    ] = "download-operator"
    namespace: Annotated[
        str,
        Field(
            pattern=NAMESPACE,
            description="namespace of new schedules, unless the request names another",
        ),
        Advice("write the name of a namespace, or leave it out"),
    ] = "default"
    namespaces: Annotated[
        CommaSeparated[Namespace],
        Field(description="namespaces to serve, separated by commas; empty: all"),
        NAMES_OF_NAMESPACES,
    ] = ()
    system_namespaces: Annotated[
        CommaSeparated[Namespace],
        Field(
            description="namespaces among kube-* and RELEASE_NAMESPACE in which schedules may be"
            " created"
        ),
        NAMES_OF_NAMESPACES,
    ] = ()
    release_namespace: Annotated[
        str,
        Field(
            description="namespace of the installation, where no schedules are created; the chart"
            " sets it"
        ),
    ] = ""
    key_secret_namespaces: Annotated[
        CommaSeparated[Namespace],
        Field(description="namespaces in which the API key may have schedules use Secrets"),
        NAMES_OF_NAMESPACES,
    ] = ()
    rate_limit: Annotated[
        int,
        Field(
            ge=0,
            le=1_000_000,
            description="requests a minute of one caller, up to 1000000; 0: no limit",
        ),
        Advice("write a number from 0 to 1000000"),
    ] = 600
    trusted_proxies: Annotated[
        CommaSeparated[Annotated[str, AfterValidator(_check_address_range)]],
        Field(
            description="proxies whose X-Forwarded-For is used: address ranges, separated by commas"
        ),
        Advice("write ranges without host bits, such as 10.0.0.0/8, separated by commas"),
    ] = ()
    metrics_port: Annotated[
        int,
        Field(ge=0, le=65535, description="port of /livez, /readyz and /metrics; 0: none of them"),
        Advice("write a number from 1 to 65535, or 0 for none of them"),
    ] = 8082
    content_volumes: Annotated[
        CommaSeparated[Annotated[MountedClaim, BeforeValidator(_split_mounted_claim)]],
        Field(
            description="claims to serve files from: NAMESPACE/CLAIM=/FOLDER, separated by commas"
        ),
        Advice("write NAMESPACE/CLAIM=/FOLDER, separated by commas"),
    ] = ()

    @model_validator(mode="after")
    def _check_combinations(self) -> Self:
        if self.metrics_port == self.port:
            raise ValueError(f"{PREFIX}METRICS_PORT is {PREFIX}PORT: write another number")
        if self.auth == "key" and self.key_file is None:
            raise ValueError(f"{PREFIX}AUTH is key: name the file with it in {PREFIX}KEY_FILE")
        return self

    @property
    def is_open(self) -> bool:
        """Whether callers need neither a key nor a token."""
        return not self.auth and self.key_file is None

    @property
    def bind(self) -> str:
        """Address to listen on: an open API can only be reached from this machine."""
        return LOOPBACK if self.is_open else self.host

    @property
    def served(self) -> ServedNamespaces:
        """The namespaces whose schedules the API serves."""
        return ServedNamespaces(self.namespaces, self.release_namespace, self.system_namespaces)

    @classmethod
    def from_environment(cls) -> Self:
        """Read the settings.

        Raises:
            ValueError: a variable of ours is unknown, or its value is wrong. The message says what
                to write.
        """
        _reject_unknown_variables()
        try:
            return cls()
        except ValidationError as error:
            raise ValueError(_describe(error)) from None


def help_text() -> str:
    """Return one line for each setting: variable, meaning, default."""
    return "\n".join(
        f"  {PREFIX + name.upper():<28} {field.description} [{field.default or ''}]"
        for name, field in Settings.model_fields.items()
    )


def _reject_unknown_variables() -> None:
    variables = {PREFIX + name.upper() for name in Settings.model_fields}
    for variable in sorted(os.environ):
        if variable.startswith(PREFIX) and variable.upper() not in variables:
            raise ValueError(f"{variable} is not a setting; --help lists all settings")


def _describe(error: ValidationError) -> str:
    """Return which variable is wrong and what to write, for the first error."""
    first = error.errors()[0]
    if not first["loc"]:  # from _check_combinations
        return first["msg"].removeprefix("Value error, ")
    name, *item = first["loc"]
    (advice,) = (a for a in Settings.model_fields[str(name)].metadata if isinstance(a, Advice))
    verb = "contains" if item else "is"
    return f"{PREFIX}{str(name).upper()} {verb} {first['input']!r}: {advice.text}"
