"""Cookies of redirects, as the browser takes them."""

from typing import Any

import pytest

from download_worker.formats.browser_cookies import browser_cookies

SESSION = {"name": "a", "value": "1", "path": "/", "secure": False, "httpOnly": False}


@pytest.mark.parametrize(
    ("line", "parameters"),
    [
        (b"h.example\tFALSE\t/\tFALSE\t0\ta\t1", {"url": "http://h.example/"}),
        (
            b".h.example\tTRUE\t/x\tTRUE\t4102444800\ta\t",
            {
                "value": "",
                "path": "/x",
                "secure": True,
                "domain": ".h.example",
                "url": "https://h.example/",
                "expires": 4102444800,
            },
        ),
        (
            b"#HttpOnly_::1\tFALSE\t/\tFALSE\t0\ta\t1",
            {"httpOnly": True, "url": "http://[::1]/"},
        ),
        ("h\tFALSE\t/\tFALSE\t0\ta\tü".encode(), {"value": "ü", "url": "http://h/"}),
    ],
)
def test_cookie_is_for_the_same_host_path_and_time(line: bytes, parameters: dict[str, Any]) -> None:
    assert list(browser_cookies([line])) == [SESSION | parameters]


@pytest.mark.parametrize(
    "line", [b"", b"# Netscape HTTP Cookie File", b"h\tFALSE\t/\tFALSE\t0\ta\t\xe4"]
)
def test_other_lines_are_left_out(line: bytes) -> None:
    assert list(browser_cookies([line])) == []
