"""Follow redirects by our own rules: where they may lead, and which headers go along."""

import string
from dataclasses import replace
from typing import Final
from urllib.parse import quote, urldefrag, urljoin, urlsplit

from download_schedule.attempt.task import Method
from download_worker.errors import DownloadError, Reason
from download_worker.http.messages import Request, Response

REDIRECT_STATUSES: Final = frozenset({301, 302, 303, 307, 308})
SAME_METHOD_STATUSES: Final = frozenset({307, 308})
"""Redirects that repeat the method and the body."""

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

_REPLACED_BY_IDNA: Final = frozenset("ßẞς\u200c\u200d")
"""Characters that Python's IDNA codec (RFC 3490) replaces in a host name, and browsers do not."""
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


def redirect_location(response: Response) -> str | None:
    """Return where *response* redirects to; None if it does not."""
    return response.headers.get("location") if response.status in REDIRECT_STATUSES else None


def ascii_url(url: str) -> str:
    """Return *url* in plain ASCII: percent-encoded, with the host name in its IDNA form.

    Raises:
        ValueError: the host name is invalid, or its IDNA form would be another host.
    """
    parts = urlsplit(url)
    if _REPLACED_BY_IDNA & set(parts.netloc):
        raise ValueError("write the host's name as browsers do, with xn--")
    if not parts.netloc.isascii():
        host, colon, port = parts.netloc.partition(":")
        parts = parts._replace(netloc=host.encode("idna").decode() + colon + port)
    return quote(parts.geturl(), safe=string.punctuation)


def effective_port(url: str) -> int | None:
    """Return the port to which a request for *url* goes; None if its scheme is not of the web.

    Raises:
        ValueError: the URL is invalid.
    """
    parts = urlsplit(url)
    return _DEFAULT_PORTS.get(parts.scheme) if parts.port is None else parts.port


def follow_redirect(request: Request, location: str, status: int) -> Request:
    """Return the request that a redirect of *request* to *location* asks for.

    When the origin changes, headers that may carry credentials stay behind. A POST becomes a GET
    unless the status asks for the same method, and then loses its body and the headers that
    describe it (RFC 9110, 15.4).

    Raises:
        DownloadError: the redirect does not lead to a web address, or leads from https to http.
    """
    try:
        url = ascii_url(urldefrag(urljoin(request.url, _from_root(request.url, location))).url)
        target, source = urlsplit(url), urlsplit(request.url)
        same_origin = _origin(url) == _origin(request.url)
    except ValueError:
        raise _bad_redirect("an invalid address", status) from None
    if target.scheme not in _DEFAULT_PORTS or not target.hostname:
        raise _bad_redirect("an address that is not http or https", status)
    if target.username is not None:
        raise _bad_redirect("an address with a user name", status)
    if source.scheme == "https" and target.scheme == "http":
        raise _bad_redirect("http from https", status)
    redirected = replace(request, url=url)
    if request.method is Method.POST and status not in SAME_METHOD_STATUSES:
        redirected = _as_get(redirected)
    if same_origin:
        return redirected
    if redirected.body:
        raise _bad_redirect("another origin, which must not see the body", status)
    headers = ((name, value) for name, value in redirected.headers if _is_harmless(name))
    return replace(redirected, headers=tuple(headers))


def _as_get(request: Request) -> Request:
    headers = (header for header in request.headers if not header[0].lower().startswith("content-"))
    return replace(request, method=Method.GET, body=b"", headers=tuple(headers))


def _is_harmless(name: str) -> bool:
    return name.lower() in HARMLESS_HEADERS


def _from_root(url: str, reference: str) -> str:
    """Return a relative path as an absolute one, because urljoin drops empty segments of others."""
    parts = urlsplit(reference)
    if parts.scheme or parts.netloc or not parts.path or parts.path.startswith("/"):
        return reference
    folder = urlsplit(url).path.rpartition("/")[0]
    return f"/.{folder}/{reference}"  # the dot keeps a path that begins with // from being a host


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, effective_port(url)


def _bad_redirect(target: str, status: int) -> DownloadError:
    return DownloadError(
        Reason.BAD_REDIRECT,
        f"The server redirects to {target}: use the file's final address as url.",
        status,
    )
