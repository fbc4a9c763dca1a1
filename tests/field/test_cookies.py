"""Cookies that redirects set: they go where RFC 6265 sends them, for one attempt."""

from collections.abc import Iterator

import pytest

from tests.support import http_faults
from tests.support.attempts import Pod
from tests.support.field_reports import DONE, Report, failed, reproduce
from tests.support.http_faults import (
    BODY,
    Behaviour,
    Exchange,
    FaultServer,
    redirect,
    respond,
    response_head,
)

MAX_COOKIES_OF_A_RESPONSE = 50
MAX_COOKIE_HEADER_BYTES = 8190
MAX_COOKIE_BYTES = 4096
LOCALHOST = {"allow": "127.0.0.0/8"}


def set_and_redirect(location: str, *cookies: str) -> Behaviour:
    lines = (f"Set-Cookie: {cookie}" for cookie in cookies)
    return respond(302, b"", f"Location: {location}", *lines)


def only_with(cookie: str) -> Behaviour:
    """Redirect to the same address until the cookie comes."""

    def behave(exchange: Exchange) -> None:
        has_it = f"Cookie: {cookie}\r\n" in exchange.request
        (respond(200) if has_it else set_and_redirect(exchange.path, cookie))(exchange)

    return behave


def sent_cookies(server: FaultServer) -> list[str]:
    """Return the Cookie header of each request, without its name; empty if there is none."""
    heads = [head.split("\r\n") for head in server.requests]
    lines = [[line for line in head if line.lower().startswith("cookie:")] for head in heads]
    assert all(len(cookies) <= 1 for cookies in lines), "RFC 6265, 5.4: one header at most"
    return [cookies[0][len("cookie: ") :] if cookies else "" for cookies in lines]


@pytest.fixture
def other() -> Iterator[FaultServer]:
    """A server of the same host, at another port: the same site, and another origin."""
    with http_faults.run_server() as running:
        yield running


REPORTS = [
    Report(
        source="encode/httpx#821",
        situation="a redirect to itself sets a cookie",
        server={"/x": [only_with("seen=1")]},
        files=(BODY,),
        requests=((), ("Cookie: seen=1\r\n",)),
        absent=(("Cookie:",),),
    ),
    Report(
        source="aio-libs/aiohttp#56",
        situation="the address redirects to one that sets the cookie and leads back",
        server={
            "/x": [redirect("/set"), respond(200)],
            "/set": [set_and_redirect("/x", "a=1; Path=/")],
        },
        files=(BODY,),
        requests=((), (), ("Cookie: a=1\r\n",)),
    ),
    Report(
        source="request/request#3188",
        situation="a cookie is set three times, for the host and for its domain",
        server={
            "/x": [
                set_and_redirect(
                    "/x",
                    "lang=en; expires=Thu, 01-Aug-2199 06:06:47 GMT; Max-Age=3600; path=/",
                    "lang=de; path=/; domain=127.0.0.1",
                    "geo=au; Max-Age=315360000",
                ),
                respond(200),
            ]
        },
        files=(BODY,),
        requests=((), ("lang=de", "geo=au")),
        absent=((), ("lang=en", "path", "expires")),
    ),
    Report(
        source="RFC 6265, 5.1.4",
        situation="a cookie goes only to its path",
        server={
            "/x": [set_and_redirect("/a/y", "a=1; Path=/a", "b=2; Path=/b", "c=3")],
            "/a/y": [set_and_redirect("/b/z", "d=4")],
            "/b/z": [respond(200)],
        },
        files=(BODY,),
        requests=((), ("a=1", "c=3"), ("b=2", "c=3")),
        absent=((), ("b=2",), ("a=1", "d=4")),
    ),
    Report(
        source="RFC 6265, 5.3",
        situation="a later redirect changes one cookie and deletes another",
        server={
            "/x": [set_and_redirect("/y", "a=1", "b=1")],
            "/y": [set_and_redirect("/z", "a=2", "b=; Max-Age=0")],
            "/z": [respond(200)],
        },
        files=(BODY,),
        requests=((), (), ("Cookie: a=2\r\n",)),
    ),
    Report(
        source="RFC 6265, 5.3",
        situation="a cookie for a foreign domain, or for all of an address range, is not taken",
        server={
            "/x": [
                set_and_redirect(
                    "/y", "a=1; Domain=example.com", "b=1; Domain=0.0.1", "c=1; Domain=.com", "d=1"
                )
            ],
            "/y": [respond(200)],
        },
        files=(BODY,),
        requests=((), ("Cookie: d=1\r\n",)),
    ),
    Report(
        source="CVE-2022-35252",
        situation="a cookie with control characters, which the server would refuse, is not taken",
        server={"/x": [set_and_redirect("/y", "a=\x011", "b\x02=1", "c=1")], "/y": [respond(200)]},
        files=(BODY,),
        requests=((), ("Cookie: c=1\r\n",)),
    ),
    Report(
        source="RFC 6265, 5.4",
        situation="the schedule's own cookies go along in the same header",
        server={"/x": [set_and_redirect("/y", "a=1")], "/y": [respond(200)]},
        options={"headers": {"cookie": "own=1; more"}},
        files=(BODY,),
        requests=(("Cookie: own=1; more\r\n",), ("Cookie: a=1; own=1; more\r\n",)),
    ),
    Report(
        source="RFC 6265, 5.3",
        situation="a cookie of the server takes the place of the schedule's",
        server={
            "/x": [set_and_redirect("/y", "s=new", "t=; Max-Age=0")],
            "/y": [set_and_redirect("/z", "u=; Max-Age=0")],
            "/z": [respond(200)],
        },
        options={"headers": {"Cookie": "s=old; t=old; u=old"}},
        files=(BODY,),
        requests=((), ("Cookie: s=new; u=old\r\n",), ("Cookie: s=new\r\n",)),
    ),
    Report(
        source="RFC 6265, 5.3",
        situation="the cookies of the file itself are of no use",
        server={"/x": [respond(200, BODY, "Set-Cookie: a=1")] * 2},
        options={"overwrite": True, "path": "{namespace}/{name}/x"},
        outcomes=(DONE, DONE),
        files=(BODY,),
        requests=((), ()),
        absent=(("Cookie:",), ("Cookie:",)),
    ),
    Report(
        source="RFC 9110, 15.4",
        situation="a POST whose redirect repeats it has the cookie, too",
        server={
            "/x": [respond(307, b"", "Location: /y", "Set-Cookie: a=1")],
            "/y": [respond(200)],
        },
        options={"request": {"method": "POST", "body": "b=2"}},
        files=(BODY,),
        requests=(("POST /x",), ("POST /y", "Cookie: a=1\r\n", "b=2")),
    ),
    Report(
        source="nanoc/nanoc#1496",
        situation="a redirect to itself that no cookie ends",
        server={"/x": [set_and_redirect("/x", "a=1")]},
        outcomes=(
            failed(
                "TooManyRedirects",
                "more than 5 times, in a circle: see in a browser what it asks for",
            ),
        ),
        files=(),
    ),
]


@pytest.mark.parametrize("report", REPORTS, ids=str)
def test_report(report: Report, pod: Pod, server: FaultServer) -> None:
    reproduce(report, pod, server)


def test_cookie_goes_to_another_port_and_credentials_do_not(
    pod: Pod, server: FaultServer, other: FaultServer
) -> None:
    """Cookies know no ports (RFC 6265, 8.5): a redirect from http to https relies on it."""
    url = server.on("/x", set_and_redirect(other.on("/y", respond(200)), "a=1"))
    headers = {"Cookie": "own=1", "Authorization": "Bearer s", "X-Key": "s"}

    assert pod.run(url, headers=headers).code == 0

    assert sent_cookies(server) == ["own=1"]
    assert sent_cookies(other) == ["a=1"]
    assert "Bearer" not in other.requests[0]
    assert "X-Key" not in other.requests[0]


def test_cookie_stays_with_its_host(pod: Pod, server: FaultServer, other: FaultServer) -> None:
    elsewhere = other.on("/y", set_and_redirect(f"{server.origin}/z", "b=2"), respond(200))
    elsewhere = elsewhere.replace("127.0.0.1", "localhost")
    url = server.on("/x", set_and_redirect(elsewhere, "a=1", "c=3; Domain=localhost"))
    server.on("/z", respond(200))

    attempt = pod.run(url, headers={"Cookie": "own=1"}, **LOCALHOST)

    assert attempt.code == 0, attempt.out
    assert sent_cookies(other) == [""]
    assert sent_cookies(server) == ["own=1", "a=1"]


def test_nothing_is_left_for_the_next_attempt(pod: Pod, server: FaultServer) -> None:
    url = server.on("/x", set_and_redirect("/y", "secret=s3cr3t"))
    server.on("/y", respond(500), respond(200))

    outputs = [pod.run(url) for _ in range(2)]

    assert [attempt.code for attempt in outputs] == [20, 0]
    assert sent_cookies(server) == ["", "secret=s3cr3t"] * 2
    assert all("s3cr3t" not in attempt.out + attempt.err for attempt in outputs)
    assert all("s3cr3t" not in (attempt.result.message or "") for attempt in outputs)
    volume = (path for path in pod.data.rglob("*") if path.is_file())
    assert all(b"s3cr3t" not in path.read_bytes() for path in volume)


@pytest.mark.parametrize("surplus", [0, 1])
def test_number_of_cookies_of_a_response_is_bounded(
    surplus: int, pod: Pod, server: FaultServer
) -> None:
    cookies = [f"c{number}=1" for number in range(MAX_COOKIES_OF_A_RESPONSE + surplus)]
    url = server.on("/x", set_and_redirect("/y", *cookies))
    server.on("/y", respond(200))
    assert pod.run(url).code == 0
    assert sent_cookies(server)[1].count("=") == MAX_COOKIES_OF_A_RESPONSE


@pytest.mark.parametrize("surplus", [0, 1])
def test_size_of_a_cookie_is_bounded(surplus: int, pod: Pod, server: FaultServer) -> None:
    value = "x" * (MAX_COOKIE_BYTES - 1 + surplus)
    url = server.on("/x", set_and_redirect("/y", f"a={value}"))
    server.on("/y", respond(200))
    assert pod.run(url).code == 0
    assert bool(sent_cookies(server)[1]) == (not surplus)


def test_size_of_all_cookies_of_a_request_is_bounded(pod: Pod, server: FaultServer) -> None:
    url = server.on("/x", set_and_redirect("/y", *(f"a{n}={'x' * 4000}" for n in range(10))))
    server.on("/y", set_and_redirect("/z", *(f"b{n}={'x' * 4000}" for n in range(10))))
    server.on("/z", respond(200))
    assert pod.run(url).code == 0
    assert all(len(cookies) <= MAX_COOKIE_HEADER_BYTES for cookies in sent_cookies(server))
    assert sent_cookies(server)[2]


def test_cookies_of_an_interim_response_do_not_count(pod: Pod, server: FaultServer) -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nSet-Cookie: early=1\r\n\r\n"
    late = response_head("302 Found", "Location: /y", "Content-Length: 0", "Set-Cookie: a=1")
    url = server.on("/x", http_faults.send(early + late))
    server.on("/y", respond(200))
    assert pod.run(url, headers={"Cookie": "early=own"}).code == 0
    assert "early=own" in sent_cookies(server)[1]
