"""A server that knows ranges, and what it was asked for."""

import random
import re

from tests.support.http_faults import Behaviour, Exchange, FaultServer, head

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
    """Answer as a server does that knows ranges, but maybe hang up on the way."""

    def behave(exchange: Exchange) -> None:
        wanted = re.search(r"^Range: bytes=(\d+)-\r?$", exchange.head, _FLAGS)
        condition = re.search(r"^If-Range: (.*?)\r?$", exchange.head, _FLAGS)
        start = 0
        if wanted and condition and validator.endswith(f": {condition[1]}"):
            start = int(wanted[1])
        end = len(body) if cut_after is None else min(start + cut_after, len(body))
        lines = [validator, f"Content-Length: {len(body) - start}", *headers]
        if start:
            lines.append(f"Content-Range: bytes {start + shift}-{len(body) - 1}/{len(body)}")
        exchange.send(head(f"{status if start else 200} Said", *lines) + body[start:end])

    return behave


def ranges(server: FaultServer) -> list[int | None]:
    """Return from where on each request asked."""
    found = [re.search(r"^Range: bytes=(\d+)-", each, _FLAGS) for each in server.heads]
    return [int(match[1]) if match else None for match in found]
