"""API keys: the files that hold them, and the comparison with what a caller sent."""

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


def parse_bearer(authorization: str | None) -> str | None:
    """Return the token of ``Authorization: Bearer TOKEN``, or None if the header is another."""
    if authorization and authorization[: len(BEARER)].lower() == BEARER:
        return authorization[len(BEARER) :].strip(" \t")
    return None


def header_bytes(header: str) -> bytes:
    """Return the bytes of a header's value. Starlette decodes them as Latin-1."""
    return header.encode("latin-1")


class WatchedFile(Generic[T]):
    """The parsed content of a file, read again whenever the file changes, as a Secret's does.

    Args:
        path: the file.
        parse: makes the value from the file's bytes.
        fallback: value while the file cannot be read.
    """

    def __init__(self, path: Path, parse: Callable[[bytes], T], fallback: T) -> None:
        self._path = path
        self._parse = parse
        self._fallback = fallback
        self._loaded: tuple[int, T] | None = None
        """Time of the file's last modification, and the value."""
        self._logged_error = ""

    def value(self) -> T:
        """Return the current value. Each new reason why the file cannot be read is logged once."""
        try:
            modified_at = self._path.stat().st_mtime_ns
            if self._loaded is None or self._loaded[0] != modified_at:
                self._loaded = modified_at, self._parse(self._path.read_bytes())
        except OSError as error:
            if str(error) != self._logged_error:
                self._logged_error = str(error)
                log.error("no API key is accepted, because their file cannot be read: %s", error)
            return self._fallback
        self._logged_error = ""
        return self._loaded[1]


class SharedKey:
    """The one key of all callers, in plain text in a file."""

    def __init__(self, path: Path) -> None:
        self._file = WatchedFile(path, parse_shared_key, b"")

    def matches(self, authorization: str | None, x_api_key: str | None) -> bool:
        """Return whether a request carries the key, as ``Authorization: Bearer`` or ``X-API-Key``.

        The comparison takes the same time wherever the first difference is. Nothing matches a file
        that is empty or cannot be read.
        """
        sent = [text for text in (x_api_key, parse_bearer(authorization)) if text]
        key = self._file.value()
        return bool(key) and any(hmac.compare_digest(key, header_bytes(text)) for text in sent)


class HashedKey(BaseModel):
    """A key that stands for a user."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    user: Annotated[str, Field(min_length=1)]
    groups: tuple[str, ...] = ()


class HashedKeys:
    """The digests of keys in a file: a JSON list of :class:`HashedKey`."""

    def __init__(self, path: Path) -> None:
        self._file = WatchedFile[Mapping[str, Caller]](path, parse_hashed_keys, {})

    def find_caller(self, key: str) -> Caller | None:
        """Return the caller that *key* stands for."""
        return self._file.value().get(hashlib.sha256(header_bytes(key)).hexdigest())


def parse_shared_key(text: bytes) -> bytes:
    """Return the key without white space around it. An empty file is logged."""
    key = text.strip()
    if not key:
        log.error("no API key is accepted, because the file of the key is empty")
    return key


_HASHED_KEYS: Final = TypeAdapter(tuple[HashedKey, ...])


def parse_hashed_keys(text: bytes) -> dict[str, Caller]:
    """Return the callers by the digests of their keys. If any entry is wrong, accept no key."""
    try:
        keys = _HASHED_KEYS.validate_json(text)
    except ValidationError as error:
        # The log must not contain the input, which could be a key.
        reasons = "; ".join(
            f"{'.'.join(map(str, entry['loc']))}: {entry['msg']}" for entry in error.errors()
        )
        log.error("no API key is accepted, because the file of hashed keys is wrong: %s", reasons)
        return {}
    return {key.sha256: Caller(user=key.user, groups=key.groups) for key in keys}
