"""Settings of the HTTP API, from environment variables that start with ``DOWNLOAD_API_``."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Final, Self

PREFIX: Final = "DOWNLOAD_API_"
LOOPBACK: Final = "127.0.0.1"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What whoever installs the API decides.

    Raises:
        ValueError: a value is out of bounds; the sentence names the variable and what to write.
    """

    host: str = field(
        default=LOOPBACK, metadata={"help": "address to listen on; without a key always loopback"}
    )
    port: int = field(default=8080, metadata={"help": "port to listen on, 1 to 65535"})
    key_file: Path | None = field(
        default=None, metadata={"help": "file with the API key that callers must send"}
    )
    namespace: str = field(
        default="default", metadata={"help": "where schedules are made that name no namespace"}
    )

    def __post_init__(self) -> None:
        if not 1 <= self.port <= 65535:
            raise ValueError(f"{PREFIX}PORT is {self.port}: write a number from 1 to 65535")
        if not self.namespace:
            raise ValueError(f"{PREFIX}NAMESPACE is empty: name a namespace or leave it out")

    @property
    def bind(self) -> str:
        """The address to listen on: nobody but this machine, as long as there is no key."""
        return self.host if self.key_file else LOOPBACK

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
        known = {spec.name for spec in fields(cls)}
        if unknown := sorted(given.keys() - known):
            name = PREFIX + unknown[0].upper()
            raise ValueError(f"{name} is not a setting; see --help for the ones there are")
        port = given.get("port", "8080")
        if not port.isdecimal():
            raise ValueError(f"{PREFIX}PORT is {port!r}: write a whole number")
        return cls(
            host=given.get("host", LOOPBACK),
            port=int(port),
            key_file=Path(given["key_file"]) if given.get("key_file") else None,
            namespace=given.get("namespace", "default"),
        )


def help_text() -> str:
    """Return one line for each setting: variable, meaning, default."""
    return "\n".join(
        f"  {PREFIX + spec.name.upper():<24} {spec.metadata['help']} [{spec.default or ''}]"
        for spec in fields(Settings)
    )
