"""Content codings that servers in the field name, and what they send under the names."""

import gzip
import sys
import zlib
from collections.abc import Iterator

import brotli
import pytest

from tests.support.attempts import Pod
from tests.support.field_reports import Report, reproduce, retried
from tests.support.http_faults import BODY, Behaviour, FaultServer, respond

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

DECODED = {"request": {"compressed": True}}
PAGE = b"<!DOCTYPE html><html><head><title>Report</title></head><body><p>One.</body></html>\n"
CSV = b"a,b\n" * 50
RAW_DEFLATE = zlib.compress(BODY, wbits=-zlib.MAX_WBITS)
ADVICE = "write request.compressed: false, and format raw or json"
HTML = "Content-Type: text/html"
REGISTRY = "RFC 9110, 8.4.1"


def in_coding(names: str, body: bytes, *headers: str) -> Behaviour:
    return respond(200, body, f"Content-Encoding: {names}", *headers)


def meaningless_names() -> Iterator[Report]:
    """Yield reports about names that are not those of a packing."""
    sources = {"none": "curl#3315", "aws-chunked": "Amazon S3, SigV4 streaming uploads"}
    names = ["none", "utf-8", "UTF-8", "binary", "aws-chunked", "identity", "", " ", ","]
    names += ["iso-8859-1", "windows-1252", "8bit", "chunked", "text/html", "charset=utf-8", "en"]
    for name in names:
        yield Report(
            source=sources.get(name, REGISTRY),
            situation=f"the content encoding {name!r} of a file is none",
            server={"/x": [in_coding(name, BODY)]},
            options=DECODED,
            files=(BODY,),
        )
        yield Report(
            source=sources.get(name, REGISTRY),
            situation=f"the content encoding {name!r} of a page is none",
            server={"/x": [in_coding(name, PAGE, HTML)]},
            options={"file_format": "html"},
            files=(PAGE,),
        )


def decoded(source: str, situation: str, behaviour: Behaviour, body: bytes = BODY) -> Report:
    return Report(source, situation, {"/x": [behaviour]}, options=DECODED, files=(body,))


def refused(
    source: str, situation: str, behaviour: Behaviour, reason: str = "BadResponse"
) -> Report:
    advice = (ADVICE,) if reason == "BadResponse" else ()
    outcomes = (retried(reason, *advice),)
    return Report(source, situation, {"/x": [behaviour]}, DECODED, outcomes, files=())


PACKED = {"gzip": gzip.compress(BODY), "zstd": zstd.compress(BODY)}
REPORTS = [
    *meaningless_names(),
    decoded(
        "curl, CURLOPT_ACCEPT_ENCODING",
        "deflate that nobody asked for is undone",
        in_coding("deflate", zlib.compress(BODY)),
    ),
    decoded(
        "RFC 9110, 8.4.1.2",
        "deflate without the header of zlib is undone",
        in_coding("deflate", RAW_DEFLATE),
    ),
    decoded(
        "RFC 9110, 8.4",
        "two codings in one line are undone in reverse order",
        in_coding("gzip, br", brotli.compress(gzip.compress(CSV))),
        CSV,
    ),
    decoded(
        "RFC 9110, 8.4",
        "gzip twice in one line is undone twice",
        in_coding("gzip, gzip", gzip.compress(gzip.compress(CSV))),
        CSV,
    ),
    decoded(
        "RFC 9110, 5.6.1.2",
        "empty members of the list are none",
        in_coding(", gzip,, identity ,", gzip.compress(CSV)),
        CSV,
    ),
    decoded(
        "Amazon S3, SigV4 streaming uploads",
        "gzip beside aws-chunked is undone, because the storage took the chunks off",
        in_coding("gzip, aws-chunked", gzip.compress(CSV)),
        CSV,
    ),
    decoded(
        "RFC 9110, 8.4.1.3",
        "x-gzip is gzip",
        in_coding("X-GZip", gzip.compress(CSV)),
        CSV,
    ),
    decoded(
        "RFC 1952, 2.2",
        "two gzip members with line breaks behind them are one body",
        in_coding("gzip", gzip.compress(CSV) * 2 + b"\n\n"),
        CSV * 2,
    ),
    *(
        decoded(
            "nodejs/node#7502",
            f"{behind!r} behind a gzip stream is ignored",
            in_coding("gzip", gzip.compress(CSV) + behind),
            CSV,
        )
        for behind in (b"\n \n\n", b"\0" * 10, b"\0", b"<!-- cached -->", b"\x1f\x1f")
    ),
    decoded(
        "RFC 8878, 3.1",
        "line breaks behind a zstd frame are ignored",
        in_coding("zstd", zstd.compress(CSV) + b"\n\n"),
        CSV,
    ),
    Report(
        source="nodejs/node#7502",
        situation="line breaks behind a packed page are ignored",
        server={"/x": [in_coding("gzip", gzip.compress(PAGE) + b"\n \n\n\n\n \n", HTML)]},
        options={"file_format": "html"},
        files=(PAGE,),
    ),
    refused(
        "RFC 1952, 2.2",
        "half of another gzip member is not the end",
        in_coding("gzip", gzip.compress(CSV) + gzip.compress(BODY)[:100]),
        "IncompleteBody",
    ),
    refused(
        "RFC 1952, 2.2",
        "the first byte of another gzip member is not the end",
        in_coding("gzip", gzip.compress(CSV) + b"\x1f"),
        "IncompleteBody",
    ),
    refused(
        "RFC 7932, 9.2",
        "bytes behind brotli data, which has no checksum, are refused",
        in_coding("br", brotli.compress(CSV) + b"\n"),
    ),
    refused(
        "RFC 9110, 8.4",
        "gzip announced twice and packed once is refused",
        in_coding("gzip, gzip", gzip.compress(CSV)),
    ),
    refused(
        "curl, MAX_ENCODE_STACK",
        "six codings are refused",
        in_coding(", ".join(["gzip"] * 6), b"x"),
    ),
    *(
        refused(
            REGISTRY,
            f"a body announced as {coding} that is not so is refused",
            in_coding(coding, BODY),
        )
        for coding in ("gzip", "deflate", "zstd", "compress", "gzip, br", "br, gzip", "bzip2", "xz")
    ),
    *(
        refused(
            REGISTRY,
            f"a body packed with {coding} under a name that means nothing is refused",
            in_coding("utf-8", packed),
        )
        for coding, packed in PACKED.items()
    ),
    Report(
        source="Amazon S3, SigV4 streaming uploads",
        situation="a packed file beside the name aws-chunked is the file",
        server={"/x.gz": [in_coding("aws-chunked", PACKED["gzip"])]},
        options=DECODED,
        files=(PACKED["gzip"],),
    ),
    Report(
        source="RFC 9110, 8.4.1",
        situation="a body in a coding that cannot be undone is kept as it comes where nobody asks",
        server={"/x": [in_coding("compress", BODY)]},
        files=(BODY,),
    ),
]


@pytest.mark.parametrize("report", REPORTS, ids=str)
def test_report(report: Report, pod: Pod, server: FaultServer) -> None:
    reproduce(report, pod, server)
