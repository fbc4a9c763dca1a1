"""API keys: where they come from, and who has one."""

import hashlib
import hmac
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Final, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from download_api.auth.reviews import Caller

T = TypeVar("T")

BEARER: Final = "bearer "

log = logging.getLogger(__name__)


def bearer(authorization: str | None) -> str | None:
    """Return what ``Authorization: Bearer`` carries, if that is what it is."""
    if authorization and authorization[: len(BEARER)].lower() == BEARER:
        return authorization[len(BEARER) :].strip(" \t")
    return None


def as_sent(header: str) -> bytes:
    """Return the bytes of a header's value: Starlette reads any as Latin-1."""
    return header.encode("latin-1")


class FileContent(Generic[T]):
    """What a file says, read again whenever the file changes, as a mounted Secret does.

    Args:
        path: the file.
        parse: its meaning.
        nothing: what it means when it cannot be read.
    """

    def __init__(self, path: Path, parse: Callable[[bytes], T], nothing: T) -> None:
        self._path = path
        self._parse = parse
        self._nothing = nothing
        self._read: tuple[int, T] | None = None
        self._trouble = ""

    def __call__(self) -> T:
        """Return it as of now; where it cannot be read, the log says so once."""
        try:
            changed = self._path.stat().st_mtime_ns
            if self._read is None or self._read[0] != changed:
                self._read = changed, self._parse(self._path.read_bytes())
        except OSError as error:
            if str(error) != self._trouble:
                self._trouble = str(error)
                log.error("no API key is good, for their file cannot be read: %s", error)
            return self._nothing
        self._trouble = ""
        return self._read[1]


class KeyFile:
    """The one key, as it is, in a file."""

    def __init__(self, path: Path) -> None:
        self._key = FileContent(path, parse_key, b"")

    def matches(self, authorization: str | None, x_api_key: str | None) -> bool:
        """Tell whether a request carries the key, as ``Authorization: Bearer`` or ``X-API-Key``.

        Takes the same time wherever the first difference is. An unreadable or empty file matches
        nothing.
        """
        offered = [text for text in (x_api_key, bearer(authorization)) if text]
        key = self._key()
        return bool(key) and any(hmac.compare_digest(key, as_sent(text)) for text in offered)


class HashedKey(BaseModel):
    """A key that stands for a user."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    user: Annotated[str, Field(min_length=1)]
    groups: tuple[str, ...] = ()


class HashedKeys:
    """Keys in a file, a JSON list of :class:`HashedKey`: the keys themselves are not in it."""

    def __init__(self, path: Path) -> None:
        self._callers = FileContent[Mapping[str, Caller]](path, parse_keys, {})

    def caller(self, key: str) -> Caller | None:
        """Return who *key* stands for."""
        return self._callers().get(hashlib.sha256(as_sent(key)).hexdigest())


def parse_key(text: bytes) -> bytes:
    """Return the key without white space around it; there must be one."""
    key = text.strip()
    if not key:
        log.error("no API key is good, for the file of the key is empty")
    return key


_LIST: Final = TypeAdapter(tuple[HashedKey, ...])


def parse_keys(text: bytes) -> dict[str, Caller]:
    """Return who each key stands for, by its hash; nobody if any of it is wrong, and say why."""
    try:
        keys = _LIST.validate_json(text)
    except ValidationError as error:
        # Not what was found there: it could be a key.
        wrong = "; ".join(
            f"{'.'.join(str(p) for p in e['loc'])}: {e['msg']}" for e in error.errors()
        )
        log.error("no API key is good, for the file of hashed keys is wrong: %s", wrong)
        return {}
    return {key.sha256: Caller(user=key.user, groups=key.groups) for key in keys}
