"""Follow redirects by our own rules: where they may lead, and what goes along."""

import re
from dataclasses import replace
from typing import Final
from urllib.parse import urlsplit

from download_schedule.attempt.task import Method
from download_worker.errors import DownloadError, Reason
from download_worker.http.addresses import Address, ascii_url, resolve
from download_worker.http.messages import Header, Request, Response

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

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_NOT_IN_HOST: Final = re.compile(r'[\x00-\x20"<>\\^`{|}]')


def redirect_location(response: Response) -> str | None:
    """Return where *response* redirects to; None if it does not. An empty Location is none."""
    if response.status not in REDIRECT_STATUSES:
        return None
    return response.headers.get("location") or None


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
        url = ascii_url(resolve(request.url, location))
        target, source = urlsplit(url), urlsplit(request.url)
        same_origin = _origin(url) == _origin(request.url) and not _is_ambiguous(location)
    except ValueError:
        raise _bad_redirect("an invalid address", status) from None
    if target.scheme not in _DEFAULT_PORTS:
        raise _bad_redirect("an address that is not http or https", status)
    if not target.hostname or _NOT_IN_HOST.search(target.hostname):
        raise _bad_redirect("an invalid address", status)
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


def with_cookies(request: Request, response: Response) -> Request:
    """Return *request* with the cookies that are there after *response*, a redirect to it.

    A cookie that the response sets or deletes takes the place of one in the schedule's own header.
    """
    names = {_cookie_name(line.partition(";")[0]) for line in response.set_cookies}
    headers: list[Header] = []
    for name, value in request.headers:
        if is_cookie((name, value)) and names:
            pairs = [pair for pair in value.split(";") if _cookie_name(pair) not in names]
            headers += [(name, ";".join(pairs).strip())] if pairs else []
        else:
            headers.append((name, value))
    return replace(request, headers=tuple(headers), cookies=response.cookies)


def is_cookie(header: Header) -> bool:
    """Return whether a header of a schedule sends cookies."""
    return header[0].lower() == "cookie"


def too_many_redirects(addresses: list[str], status: int) -> DownloadError:
    """Return the error for more redirects than the schedule allows.

    Args:
        addresses: that were asked for, and the one that would be next.
        status: of the last response.
    """
    *asked, following = (address.partition("#")[0] for address in addresses)
    what, advice = f"more than {len(asked) - 1} times", "use the file's final address as url"
    if following in asked:
        what += ", in a circle"
        advice = "see in a browser what it asks for, such as a sign-in, and send that in a header"
    return DownloadError(
        Reason.TOO_MANY_REDIRECTS, f"The server redirects {what}: {advice}.", status
    )


def _as_get(request: Request) -> Request:
    headers = (header for header in request.headers if not header[0].lower().startswith("content-"))
    return replace(request, method=Method.GET, body=b"", headers=tuple(headers))


def _is_harmless(name: str) -> bool:
    return name.lower() in HARMLESS_HEADERS


def _cookie_name(pair: str) -> str:
    return pair.partition("=")[0].strip()


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, effective_port(url)


def _is_ambiguous(location: str) -> bool:
    """Return whether programs read different hosts in *location*: some end one at a backslash."""
    return "\\" in (Address.parse(location).authority or "")


def _bad_redirect(target: str, status: int) -> DownloadError:
    return DownloadError(
        Reason.BAD_REDIRECT,
        f"The server redirects to {target}: use the file's final address as url.",
        status,
    )
