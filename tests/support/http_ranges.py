"""A server that supports ranges, and the ranges that it was asked for."""

import random
import re

from tests.support.http_faults import Behaviour, Exchange, FaultServer, response_head

LARGE = random.Random(1).randbytes(6_000_000)
ETAG = 'ETag: "v1"'

_FLAGS = re.MULTILINE | re.IGNORECASE


def ranged(
    body: bytes = LARGE,
    *headers: str,
    cut_after: int | None = None,
    status: int = 206,
    shift: int = 0,
    validator: str = ETAG,
) -> Behaviour:
    """Respond as a server does that supports ranges, with these faults.

    Args:
        body: the whole file.
        headers: further ones.
        cut_after: bytes after which the server hangs up.
        status: of a partial response.
        shift: what the server adds to the start of the range that it claims to send.
        validator: header that If-Range has to repeat.
    """

    def behave(exchange: Exchange) -> None:
        asked = re.search(r"^Range: bytes=(\d+)-\r?$", exchange.request, _FLAGS)
        condition = re.search(r"^If-Range: (.*?)\r?$", exchange.request, _FLAGS)
        start = 0
        if asked and condition and validator.endswith(f": {condition[1]}"):
            start = int(asked[1])
        end = len(body) if cut_after is None else start + cut_after
        lines = [validator, f"Content-Length: {len(body) - start}", *headers]
        if start:
            lines.append(f"Content-Range: bytes {start + shift}-{len(body) - 1}/{len(body)}")
        head = response_head(f"{status if start else 200} Said", *lines)
        exchange.send(head + body[start:end])

    return behave


def requested_ranges(server: FaultServer) -> list[int | None]:
    """Return from where on each request asked; None: for the whole file."""
    matches = [re.search(r"^Range: bytes=(\d+)-", text, _FLAGS) for text in server.requests]
    return [int(match[1]) if match else None for match in matches]
