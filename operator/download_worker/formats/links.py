"""Where the links of a page lead, as absolute addresses."""

from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

_BLANKS: Final = "".join(map(chr, range(0x21)))
"""What browsers take off both ends of an address (URL Standard, 4.4)."""
_BASE_SCHEMES: Final = frozenset({"http", "https"})


def resolve_links(page: Any, url: str) -> None:
    """Make the links of a page absolute, in place.

    Args:
        page: its tree, of lxml.
        url: address of the page, against which its base element is resolved.
    """
    base = base_address(url, (element.get("href") for element in page.iter("base")))
    for element in page.iter("a"):
        href = element.get("href")
        if href:
            element.set("href", link_address(base, href))


def base_address(url: str, hrefs: Iterable[str | None]) -> str:
    """Return the address against which links are resolved (HTML Standard, 2.4.3).

    Args:
        url: address of the page.
        hrefs: of its base elements, of which only the first that has one counts.
    """
    href = next((href for href in hrefs if href is not None), "")
    try:
        base = urljoin(url, href.strip(_BLANKS))
        return base if urlsplit(base).scheme in _BASE_SCHEMES else url
    except ValueError:
        return url


def link_address(base: str, href: str) -> str:
    """Return the absolute address of a link. One that has a scheme or is invalid stays as it is."""
    try:
        reference = href.strip(_BLANKS)
        return href if urlsplit(reference).scheme else urljoin(base, reference)
    except ValueError:
        return href
