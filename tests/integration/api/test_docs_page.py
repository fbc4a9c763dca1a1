"""The page that shows the API's description, in a real browser that can reach only the API."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from download_api.routes.docs import SECURITY_POLICY
from download_worker.egress.proxy import ProxyStats, egress_proxy
from download_worker.formats.chromium import Browser, start_browser
from tests.support.attempts import LOOPBACK, policy

PATHS = ("/docs", "/docs/start.js", "/docs/swagger-ui-bundle.js", "/docs/swagger-ui.css")
TITLE = "document.querySelector('.info .title')?.innerText ?? ''"
OPERATIONS = "document.querySelectorAll('.opblock').length"
FIRST_OPERATION = "document.querySelector('.opblock-summary-control').click()"
DETAILS = "document.querySelectorAll('.opblock-body .parameters-container').length"
MAX_SECONDS = 120.0


class Page:
    """A page in a browser, and what it complained about.

    Attributes:
        complaints: errors in its log, violations of its policy among them.
    """

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        targets = browser.call("Target.getTargets")["targetInfos"]
        page = next(target["targetId"] for target in targets if target["type"] == "page")
        self._session = browser.call("Target.attachToTarget", targetId=page, flatten=True)[
            "sessionId"
        ]
        self.complaints: list[str] = []
        for domain in ("Page", "Log", "Runtime"):
            self._browser.call(f"{domain}.enable", self._session)

    def open(self, url: str) -> None:
        self._browser.call("Page.navigate", self._session, url=url)

    def evaluate(self, script: str) -> Any:
        result = self._browser.call("Runtime.evaluate", self._session, expression=script)
        return result["result"].get("value")

    def wait_for(self, script: str) -> Any:
        """Return the script's value as soon as it is true."""
        deadline = time.monotonic() + MAX_SECONDS
        while not (value := self.evaluate(script)):
            assert time.monotonic() < deadline, (script, self.complaints)
            self._collect(time.monotonic() + 0.2)
        self._collect(time.monotonic() + 0.2)
        return value

    def _collect(self, until: float) -> None:
        while (event := self._browser.next_event(until)) is not None:
            if event.get("method") == "Log.entryAdded":
                entry = event["params"]["entry"]
                if entry["level"] == "error":
                    self.complaints.append(entry["text"])
            elif event.get("method") == "Runtime.exceptionThrown":
                self.complaints.append(str(event["params"]["exceptionDetails"]))


@contextmanager
def browser_page(folder: Path) -> Iterator[tuple[Page, ProxyStats]]:
    with (
        egress_proxy(policy(LOOPBACK), max_bytes=100_000_000, connect_timeout_seconds=10) as stats,
        start_browser(folder, stats.port, time.monotonic() + MAX_SECONDS, lambda: False) as browser,
    ):
        yield Page(browser), stats


def test_page_works_without_a_network_and_within_its_policy(
    api: httpx.Client, tmp_path: Path
) -> None:
    folder = tmp_path / "browser"
    folder.mkdir()
    with browser_page(folder) as (page, stats):
        page.open(f"{api.base_url}/docs")
        assert "download-operator" in page.wait_for(TITLE)
        assert page.wait_for(OPERATIONS) > 10
        page.evaluate(FIRST_OPERATION)
        assert page.wait_for(DETAILS) == 1
        assert page.complaints == []
        assert stats.refused == {}


def test_page_has_a_strict_policy_and_needs_no_other_host(api: httpx.Client) -> None:
    for path in PATHS:
        response = httpx.get(f"{api.base_url}{path}")
        assert response.status_code == 200
        assert response.headers["Content-Security-Policy"] == SECURITY_POLICY
        assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "unsafe" not in SECURITY_POLICY
    assert "frame-ancestors 'none'" in SECURITY_POLICY

    page = httpx.get(f"{api.base_url}/docs").text
    addresses = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert sorted(addresses) == [*PATHS[1:], "data:,"]
    assert re.findall(r"<script[^>]*>(.*?)</script>", page, re.DOTALL) == ["", ""]
    assert "//" not in page
    assert httpx.get(f"{api.base_url}/redoc").status_code == 404
