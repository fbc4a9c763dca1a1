"""Web addresses, split and resolved without losing a character that counts (RFC 3986).

urllib drops an empty query, empty parameters and empty segments, by which servers may tell
addresses apart.
"""

import re
import string
from typing import Final, NamedTuple
from urllib.parse import quote

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_WEB_SCHEMES: Final = frozenset({"http", "https"})
_CONTROLS_AND_SPACE: Final = "".join(map(chr, range(0x21)))
_LINE_BREAKS_AND_TABS: Final = dict.fromkeys(map(ord, "\t\n\r"))
_NOT_IN_QUERY: Final = {ord(c): f"%{ord(c):02X}" for c in '"<>'}
_NOT_IN_PATH: Final = _NOT_IN_QUERY | {ord(c): f"%{ord(c):02X}" for c in "`{}"}
"""ASCII that RFC 3986 does not allow, and that browsers encode."""
_REPLACED_BY_IDNA: Final = frozenset("ßẞς\u200c\u200d")
"""Characters that Python's IDNA codec (RFC 3490) replaces in a host name, and browsers do not."""


class Address(NamedTuple):
    """The parts of an address. One that is missing is None, and one that is empty is empty."""

    scheme: str | None
    authority: str | None
    path: str
    query: str | None
    fragment: str | None

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Split any text (RFC 3986, appendix B)."""
        rest, number_sign, fragment = text.partition("#")
        rest, question_mark, query = rest.partition("?")
        scheme = _SCHEME.match(rest)
        path, authority = rest[scheme.end() :] if scheme else rest, None
        if path.startswith("//"):
            authority, slash, path = path[2:].partition("/")
            path = slash + path
        return cls(
            scheme[1] if scheme else None,
            authority,
            path,
            query if question_mark else None,
            fragment if number_sign else None,
        )

    def __str__(self) -> str:
        scheme = "" if self.scheme is None else f"{self.scheme}:"
        authority = "" if self.authority is None else f"//{self.authority}"
        query = "" if self.query is None else f"?{self.query}"
        fragment = "" if self.fragment is None else f"#{self.fragment}"
        return f"{scheme}{authority}{self.path}{query}{fragment}"


def ascii_url(url: str) -> str:
    """Return *url* in plain ASCII: percent-encoded, with the host name in its IDNA form.

    Raises:
        ValueError: the host name is invalid, or its IDNA form would be another host.
    """
    address = Address.parse(url)
    authority = address.authority or ""
    if _REPLACED_BY_IDNA & set(authority):
        raise ValueError("write the host's name as browsers do, with xn--")
    if not authority.isascii():
        host, colon, port = authority.partition(":")
        address = address._replace(authority=host.encode("idna").decode() + colon + port)
    return quote(str(address), safe=string.punctuation)


def resolve(base: str, reference: str) -> str:
    """Return the address that *reference* means on a page at *base*.

    What RFC 3986 allows is resolved as its section 5.2 says. Anything else is read as browsers read
    it (URL Standard): a backslash before the query is a slash, and several slashes in front of a
    host are two. Blanks and control characters around the address are dropped, and so are tabs
    inside it. The fragment is that of the reference, otherwise that of the base (RFC 9110, 10.2.2).

    Args:
        base: a web address.
        reference: as a server sent it.
    """
    origin = Address.parse(base)
    target = Address.parse(_as_browsers_read(reference, origin.scheme or ""))
    target = target._replace(
        path=target.path.translate(_NOT_IN_PATH),
        query=None if target.query is None else target.query.translate(_NOT_IN_QUERY),
    )
    if target.fragment is None:
        target = target._replace(fragment=origin.fragment)
    if target.authority is not None:
        path = _without_dot_segments(target.path)
        target = target._replace(scheme=target.scheme or origin.scheme, path=path)
    elif target.scheme is None:
        target = _resolve_path(origin, target)
    return str(target)


def _resolve_path(base: Address, target: Address) -> Address:
    target = target._replace(scheme=base.scheme, authority=base.authority)
    if not target.path:
        query = base.query if target.query is None else target.query
        return target._replace(path=base.path, query=query)
    if not target.path.startswith("/"):
        target = target._replace(path=f"{base.path.rpartition('/')[0]}/{target.path}")
    return target._replace(path=_without_dot_segments(target.path))


def _without_dot_segments(path: str) -> str:
    """Do what RFC 3986 section 5.2.4 says with an absolute path."""
    segments = path.split("/")
    output: list[str] = []
    for position, segment in enumerate(segments, start=1):
        if segment == ".." and len(output) > 1:
            output.pop()
        if segment not in (".", ".."):
            output.append(segment)
        elif position == len(segments):
            output.append("")
    return "/".join(output)


def _as_browsers_read(reference: str, base_scheme: str) -> str:
    """Rewrite what browsers accept beyond RFC 3986 into an address or a relative reference."""
    text = reference.strip(_CONTROLS_AND_SPACE).translate(_LINE_BREAKS_AND_TABS)
    head = re.split("[?#]", text, maxsplit=1)[0]
    rest = text[len(head) :]
    scheme, _, path = head.replace("\\", "/").partition(":")
    if scheme.lower() not in _WEB_SCHEMES or ":" not in head:
        scheme, path = "", head.replace("\\", "/")
    name = path.lstrip("/")
    slashes = len(path) - len(name)
    if slashes > 1 or scheme.lower() not in ("", base_scheme.lower()):
        return f"{scheme}:" * bool(scheme) + f"//{name}{rest}"
    if scheme and name and not slashes:
        return f"./{name}{rest}"  # the scheme does not count, and the name may look like one
    return path + rest
