"""Follow redirects by rules of our own: what a server says is a proposal, not an order."""

import string
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import quote, urldefrag, urljoin, urlsplit

from download_worker.errors import DownloadError, Reason

STATUSES: Final = frozenset({301, 302, 303, 307, 308})
SAME_METHOD: Final = frozenset({307, 308})

HARMLESS_HEADERS: Final = frozenset(
    {
        "accept",
        "accept-encoding",
        "accept-language",
        "if-modified-since",
        "if-none-match",
        "if-range",
        "range",
        "user-agent",
    }
)
"""Headers that another origin may see; any other could be a credential."""

_REPLACED: Final = frozenset("ßẞς\u200c\u200d")
"""Of a host's name: what the codec (RFC 3490) writes as other letters, and browsers as it is."""
_PORTS: Final = {"http": 80, "https": 443}

Header = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Request:
    """One GET, or one POST with its body."""

    url: str
    headers: tuple[Header, ...] = ()
    method: str = "GET"
    body: bytes = b""


def encoded(url: str) -> str:
    """Return *url* in plain ASCII: percent-encoded, and the host's name in its IDNA form.

    Raises:
        ValueError: the host's name is none, or would become that of another host.
    """
    parts = urlsplit(url)
    if _REPLACED & set(parts.netloc):
        raise ValueError("write the host's name as browsers do, with xn--")
    if not parts.netloc.isascii():
        host, colon, port = parts.netloc.partition(":")
        parts = parts._replace(netloc=host.encode("idna").decode() + colon + port)
    return quote(parts.geturl(), safe=string.punctuation)


def follow(request: Request, location: str, status: int) -> Request:
    """Return the request that a redirect of *request* to *location* asks for.

    Headers that may carry credentials stay behind when the origin changes, and a POST becomes a
    GET where the status does not ask for the same method, without what its headers say of the body
    (RFC 9110 section 15.4).

    Raises:
        DownloadError: the redirect leads to no web address, or from https to http.
    """
    try:
        url = encoded(urldefrag(urljoin(request.url, _from_root(request.url, location))).url)
        target, source = urlsplit(url), urlsplit(request.url)
        origins = _origin(url), _origin(request.url)
    except ValueError:
        raise _bad("a broken address", status) from None
    if target.scheme not in _PORTS or not target.hostname:
        raise _bad("something that is not http or https", status)
    if target.username is not None:
        raise _bad("an address with a user name", status)
    if source.scheme == "https" and target.scheme == "http":
        raise _bad("http after https", status)
    same = replace(request, url=url)
    if request.method == "POST" and status not in SAME_METHOD:
        others = tuple(each for each in same.headers if not each[0].lower().startswith("content-"))
        same = replace(same, method="GET", body=b"", headers=others)
    if origins[0] == origins[1]:
        return same
    if same.body:
        raise _bad("another origin, which must not see the body", status)
    harmless = tuple(header for header in same.headers if header[0].lower() in HARMLESS_HEADERS)
    return replace(same, headers=harmless)


def _from_root(url: str, reference: str) -> str:
    """Write a relative path as one from the root: of others urljoin leaves out empty parts."""
    to = urlsplit(reference)
    if to.scheme or to.netloc or not to.path or to.path.startswith("/"):
        return reference
    folder = urlsplit(url).path.rpartition("/")[0]
    return f"/.{folder}/{reference}"  # the dot keeps what begins with // from being a host


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)


def _bad(what: str, status: int) -> DownloadError:
    return DownloadError(
        Reason.BAD_REDIRECT,
        f"The server redirects to {what}: use the file's final address as url.",
        status,
    )
