"""Redirects that servers in the field send."""

import pytest

from tests.support.attempts import Pod
from tests.support.field_reports import Report, failed, reproduce
from tests.support.http_faults import BODY, FaultServer, redirect, respond

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
]


@pytest.mark.parametrize("report", REPORTS, ids=str)
def test_report(report: Report, pod: Pod, server: FaultServer) -> None:
    reproduce(report, pod, server)
