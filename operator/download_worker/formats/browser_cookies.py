"""Hand cookies to the browser, which the worker has from the redirects to a page."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

_HTTP_ONLY: Final = "#HttpOnly_"
"""What precedes the domain of a cookie that no script may read."""


def browser_cookies(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """Yield the parameters of ``Network.setCookie`` for each cookie.

    Args:
        lines: as libcurl writes cookies to a file. One that is not UTF-8 is left out: the browser
            would send other bytes.
    """
    for line in lines:
        try:
            domain, is_for_subdomains, path, secure, expires, name, value = line.decode().split(
                "\t"
            )
        except ValueError:
            continue
        is_secure = secure == "TRUE"
        host = domain.removeprefix(_HTTP_ONLY)
        site = f"[{host}]" if ":" in host else host.lstrip(".")
        yield {
            "name": name,
            "value": value,
            "path": path,
            "secure": is_secure,
            "httpOnly": domain.startswith(_HTTP_ONLY),
            **({"domain": host} if is_for_subdomains == "TRUE" else {}),
            "url": f"{'https' if is_secure else 'http'}://{site}/",
            **({"expires": int(expires)} if expires != "0" else {}),
        }
