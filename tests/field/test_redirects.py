"""Redirects that servers in the field send."""

import base64
import json
from typing import Any

import pytest

from tests.support import http_faults
from tests.support.attempts import Pod, fetch
from tests.support.field_reports import Report, failed, reproduce, retried
from tests.support.http_faults import BODY, FaultServer, redirect, respond

PAGE = (
    "<!doctype html><html><head><title>News</title></head><body><article>"
    + "<p>A sentence of the article that is long enough to be kept as its text.</p>" * 20
    + "</article></body></html>"
).encode()


def followed(source: str, situation: str, location: str, target: str, **options: Any) -> Report:
    """Return a report of a redirect that ends with the file at *target*."""
    return Report(
        source=source,
        situation=situation,
        server={"/d/x": [redirect(location)], target.partition("?")[0]: [respond(200)]},
        files=(BODY,),
        requests=((), (f"GET {target} HTTP/1.1\r\n",)),
        **options,
    )


def no_redirect(situation: str, *locations: str, status: int = 302, name: str) -> Report:
    """Return a report of a status that redirects nowhere."""
    headers = (f"Location:{location}" for location in locations)
    return Report(
        source="whatwg/fetch#669",
        situation=situation,
        server={"/x": [respond(status, b"", *headers)]},
        outcomes=(failed("HTTPStatus", f"The server answered {status} {name}"),),
        files=(),
        requests=((),),
    )


REPORTS = [
    Report(
        source="RFC 9110, 15.4.4",
        situation="303 to a POST is followed by a GET",
        server={"/x": [redirect("/y", 303)], "/y": [respond(200)]},
        options={"request": {"method": "POST", "body": "a=1"}},
        files=(BODY,),
        requests=(("POST /x HTTP/1.1",), ("GET /y HTTP/1.1",)),
    ),
    Report(
        source="CVE-2009-0037",
        situation="a redirect to another scheme is refused",
        server={"/x": [redirect("file:///etc/passwd")]},
        outcomes=(failed("BadRedirect"),),
        files=(),
    ),
    no_redirect("the Location is empty", "", name="Found"),
    no_redirect("the Location is blank", " \t ", name="Found"),
    no_redirect("both Locations are empty", "", " ", name="Found"),
    no_redirect("there is no Location", name="Found"),
    no_redirect("a permanent redirect leads nowhere", "", status=308, name="Permanent Redirect"),
    Report(
        source="whatwg/fetch#883",
        situation="the first of two Locations is empty",
        server={"/x": [respond(302, b"", "Location:", "Location: /y")], "/y": [respond(200)]},
        files=(BODY,),
    ),
    Report(
        source="whatwg/fetch#883",
        situation="the same Location comes twice",
        server={"/x": [respond(302, b"", "Location: /y", "Location: /y")], "/y": [respond(200)]},
        files=(BODY,),
    ),
    Report(
        source="whatwg/fetch#883",
        situation="two Locations contradict each other",
        server={"/x": [respond(302, b"", "Location: /y", "Location: /z")], "/y": [respond(200)]},
        outcomes=(retried("BadResponse", "use the file's final address as url"),),
        files=(),
        requests=((),),
    ),
    followed("python/cpython#76960", "a query that is empty", "/end?", "/end?"),
    Report(
        source="python/cpython#76960",
        situation="only an empty query",
        server={"/x": [redirect("?"), respond(200)]},
        query="?a=1",
        files=(BODY,),
        requests=(("GET /x?a=1 HTTP/1.1\r\n",), ("GET /x? HTTP/1.1\r\n",)),
    ),
    followed("RFC 3986, 3.3", "parameters that are empty", "/end;?x=1", "/end;?x=1"),
    followed("RFC 3986, 3.3", "a path that ends in a semicolon", "end;", "/d/end;"),
    followed("RFC 3986, 5.2", "members of a query that are empty", "/e?&a=&&b", "/e?&a=&&b"),
    followed("RFC 3986, 5.2", "only parameters", ";v=2", "/d/;v=2"),
    followed("RFC 3986, 5.2.4", "segments that are empty", "/a//b/../c", "/a//c"),
    followed("expressjs/express#808", "backslashes instead of slashes", "\\e\\f?g\\h", "/e/f?g\\h"),
    followed("RFC 3986, 3.3", "a backslash that is encoded", "/e%5Cf", "/e%5Cf"),
    followed("rest-client/rest-client#250", "blanks in the path", " /a b ", "/a%20b"),
    followed("curl/curl#12147", "tabs in and behind the path", "/a\tb\t\t?c=1\t", "/ab?c=1"),
    followed("URL Standard, path state", "control characters", "/a\x01b\x7f", "/a%01b%7F"),
    followed("sbstp/attohttpc#93", "UTF-8 that is not encoded", "/Ø§Ù\x84", "/%D8%A7%D9%84"),
    followed("RFC 9110, 5.5", "another encoding that is not encoded", "/\xe4", "/%E4"),
    followed("URL Standard, path state", "quotes that no address has", '/a"<b>', "/a%22%3Cb%3E"),
    followed("RFC 3986, 2.1", "what is encoded stays as it is", "/%7Ea%2Fb%zz", "/%7Ea%2Fb%zz"),
    followed("RFC 9110, 10.2.2", "a fragment of its own", "/end#part", "/end"),
    followed("RFC 9110, 10.2.2", "a fragment of the schedule's", "/end", "/end", query="#part"),
    Report(
        source="RFC 9110, 15.4",
        situation="a redirect to more redirects than are allowed",
        server={f"/{n}": [redirect(f"/{n + 1}")] for n in range(7)},
        outcomes=(
            failed("TooManyRedirects", "more than 5 times: use the file's final address as url."),
        ),
        files=(),
    ),
    Report(
        source="RFC 9110, 15.4",
        situation="two addresses that redirect to each other",
        server={"/x": [redirect("/y#a")], "/y": [redirect("/x#b")]},
        outcomes=(failed("TooManyRedirects", "in a circle: see in a browser what it asks for"),),
        files=(),
    ),
    Report(
        source="encode/httpx#774",
        situation="a Location without a host",
        server={"/x": [redirect("https://:443/")]},
        outcomes=(failed("BadRedirect", "an invalid address"),),
        files=(),
    ),
    Report(
        source="RFC 3986, 3.2.2",
        situation="a Location whose host cannot exist",
        server={"/x": [redirect("http://<host>/")]},
        outcomes=(failed("BadRedirect", "an invalid address"),),
        files=(),
    ),
]


@pytest.mark.parametrize("report", REPORTS, ids=str)
def test_report(report: Report, pod: Pod, server: FaultServer) -> None:
    reproduce(report, pod, server)
    assert not any("#" in head for head in server.requests)


@pytest.mark.parametrize(
    "form", ["//{}/y", "///{}/y", "\\\\{}\\y", "/\\{}/y", "http:///{}/y", "http:\\\\{}/y"]
)
def test_host_may_come_without_a_scheme_and_after_any_slashes(
    form: str, pod: Pod, server: FaultServer
) -> None:
    """curl/curl#12147, where browsers find the file."""
    with http_faults.run_server() as other:
        other.on("/y", respond(200))
        location = form.format(other.origin.removeprefix("http://"))
        attempt = pod.run(server.on("/x", redirect(location)), headers={"Authorization": "s"})
        assert attempt.code == 0, attempt.out
        assert "Authorization" not in other.requests[0]


def test_host_ends_at_a_backslash_and_gets_no_credentials(pod: Pod, server: FaultServer) -> None:
    """Browsers end a host there, and curl asks the host behind the @."""
    server.on("/@evil.example/y", respond(200))
    url = server.on("/x", redirect(f"{server.origin}\\@evil.example/y"))
    assert pod.run(url, headers={"Authorization": "s"}).code == 0
    assert ["Authorization" in head for head in server.requests] == [True, False]


@pytest.mark.parametrize(
    ("fragment", "location", "expected"),
    [
        ("#/a", "/y", "/y"),
        ("#/a", "/y#/b", "/y"),
        ("", "/y#/b", "/y"),
        ("#/a", None, "/x#/a"),
    ],
)
def test_json_has_no_fragment_after_a_redirect(
    fragment: str, location: str | None, expected: str, pod: Pod, server: FaultServer
) -> None:
    """The document of a file that did not change stays the same over an upgrade."""
    server.on("/y", respond(200))
    url = server.on("/x", redirect(location) if location else respond(200))
    assert pod.run(url + fragment, file_format="json").code == 0
    (content,) = pod.files().values()
    document = json.loads(content)
    assert document["url"] == server.origin + expected
    assert base64.b64decode(document["content"]) == BODY


@pytest.mark.parametrize("file_format", ["text", "markdown", "html"])
def test_page_behind_a_redirect_with_a_cookie_and_a_fragment_is_converted(
    file_format: str, pod: Pod, server: FaultServer
) -> None:
    server.on("/y", respond(200, PAGE, "Content-Type: text/html", "Set-Cookie: a=1"))
    url = server.on("/x", respond(302, b"", "Location: /y#part", "Set-Cookie: b=2"))
    attempt = pod.run(url, file_format=file_format)
    assert attempt.code == 0, attempt.out
    (content,) = pod.files().values()
    assert b"A sentence of the article" in content


@pytest.mark.parametrize("target", ["/a.csv?", "/a.csv;?b", "/a.csv?b=", "/a//b", "/a.csv"])
def test_address_is_asked_for_as_written_by_hand_and_in_a_pod(
    target: str, pod: Pod, server: FaultServer
) -> None:
    url = server.on(target.partition("?")[0], respond(200)) + (
        "?" + target.partition("?")[2] if "?" in target else ""
    )
    assert pod.run(url).code == 0
    assert fetch(f" {url}#part", pod.data / "by-hand").code == 0
    assert [head.split(" ")[1] for head in server.requests] == [target, target]
