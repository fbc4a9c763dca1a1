"""What an S3 service says about a request that failed. Pure.

Whatever a service sends is bounded and cleaned here before anybody reads it. obstore has the body
of a response only in the text of its exceptions.
"""

import re
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple
from xml.parsers import expat

MAX_DOCUMENT_CHARACTERS: Final = 64 * 1024
"""Characters of a body that are looked at. Error documents have some hundred."""
MAX_QUOTED_CHARACTERS: Final = 300
"""Characters of a service's words in a message."""
MIN_SECRET_CHARACTERS: Final = 16
"""Characters from which on a value is a secret: Amazon's shortest has 20, and "minio" is a word."""

_ROOTS: Final = frozenset({"Error", "ErrorResponse"})
_JSON_CODES: Final = ("code", "Code", "error")
_JSON_MESSAGES: Final = ("message", "Message", "msg", "description")
_CODE: Final = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,63}")
_STATUS: Final = re.compile(r"Server returned non-2xx status code: (\d{3})([^:\n]*): ?")
_DOCUMENT_WITH_200: Final = "Server returned error response: "
_WITHOUT_LOCATION: Final = "Received redirect without LOCATION"
_DETAILS: Final = "\n\nDebug source:"
"""Where obstore's text goes on for programmers, with the body once more."""


class ServiceError(NamedTuple):
    """A failed request, as obstore tells it."""

    status: int | None = None
    """HTTP status; None: there was no response, or the error came with a status of success."""
    code: str = ""
    """The service's code, such as ``NoSuchBucket``."""
    words: str = ""
    """What went wrong, for people: code and message of the service, or whatever else there is."""
    elements: Mapping[str, str] = MappingProxyType({})
    """Further elements of the error document, by their name."""
    has_body: bool = False
    """Whether the response has a body. One to HEAD never has."""


def read_error(error: BaseException, secrets: Collection[str] = ()) -> ServiceError:
    """Read what obstore raised.

    Args:
        error: of any type; a panic of obstore is not an Exception.
        secrets: values that must not be quoted. A service has seen them, and may repeat them.
    """
    text = str(error).partition(_DETAILS)[0]
    if match := _STATUS.search(text):
        status, phrase, body = int(match[1]), match[2].strip(), text[match.end() :]
    elif _WITHOUT_LOCATION in text:  # obstore does not tell the document of such a response
        return ServiceError(301, "PermanentRedirect", "301 without a Location")
    elif _DOCUMENT_WITH_200 in text:
        status, phrase, body = None, "", text.partition(_DOCUMENT_WITH_200)[2]
    else:
        return ServiceError(words=quote(text.partition("\n")[0], secrets) or type(error).__name__)
    elements = parse_document(body)
    code = elements.get("Code", "")
    code = code if _CODE.fullmatch(code) else ""
    message = quote(elements.get("Message", ""), secrets)
    heading = code or f"{status or ''} {phrase}".strip()
    words = f"{heading}: {message}" if heading and message else heading or message
    return ServiceError(
        status,
        code,
        words,
        {name: quote(value, secrets) for name, value in elements.items()},
        bool(body.strip()),
    )


def parse_document(body: str) -> dict[str, str]:
    """Return the elements of an error document by name, the first one of each name.

    Services answer with XML, some with JSON, and what is between here and there with HTML or plain
    text. HTML is left out; the first line of plain text counts as ``Message``.
    """
    body = body[:MAX_DOCUMENT_CHARACTERS].lstrip("\ufeff \t\r\n")
    if body.startswith("<"):
        return _parse_xml(body)
    if body.startswith("{"):
        return _parse_json(body)
    return {"Message": body.partition("\n")[0]} if body else {}


class _Document:
    """Collects the text of elements without children."""

    def __init__(self) -> None:
        self.elements: dict[str, str] = {}
        self._open: list[str] = []
        self._text: list[str] = []

    def on_start(self, name: str, _attributes: object) -> None:
        name = name.rpartition(" ")[2]  # without its namespace
        if not self._open and name not in _ROOTS:
            raise ValueError("not an error document")
        self._open.append(name)
        self._text.clear()

    def on_text(self, text: str) -> None:
        self._text.append(text)

    def on_end(self, _name: str = "") -> None:
        name, text = self._open.pop(), "".join(self._text).strip()
        if text:
            self.elements.setdefault(name, text)
        self._text.clear()

    def on_cut(self) -> None:
        """Count what has come of the last element."""
        if self._open:
            self.on_end()

    def on_doctype(self, *_: object) -> None:
        """Refuse entities, which only a document type can declare."""
        raise ValueError("an error document has no document type")


def _parse_xml(body: str) -> dict[str, str]:
    document = _Document()
    parser = expat.ParserCreate("utf-8", namespace_separator=" ")
    parser.StartDoctypeDeclHandler = document.on_doctype
    parser.StartElementHandler = document.on_start
    parser.EndElementHandler = document.on_end
    parser.CharacterDataHandler = document.on_text
    try:
        parser.Parse(body.encode(errors="replace"), True)
    except ValueError:
        return {}
    except expat.ExpatError:  # it is cut off, or something is behind it
        document.on_cut()
    return document.elements


def _parse_json(body: str) -> dict[str, str]:
    import json

    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    if isinstance(document.get("error"), dict):
        document = document["error"]
    members = {
        "Code": next((document[name] for name in _JSON_CODES if name in document), None),
        "Message": next((document[name] for name in _JSON_MESSAGES if name in document), None),
    }
    return {name: value for name, value in members.items() if isinstance(value, str)}


def quote(text: str, secrets: Collection[str] = ()) -> str:
    """Return a stranger's words in one short line."""
    for secret in secrets:
        if len(secret) >= MIN_SECRET_CHARACTERS:
            text = text.replace(secret, "***")
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    if len(text) > MAX_QUOTED_CHARACTERS:
        text = f"{text[:MAX_QUOTED_CHARACTERS]}…"
    return text.rstrip(".")
