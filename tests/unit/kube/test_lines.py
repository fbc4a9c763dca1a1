"""Lines of bounded length, however a stream is cut into chunks."""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from download_kube import lines
from download_kube.lines import Line, OverlongLine, split_lines


@given(st.binary(max_size=60).map(lambda text: text.replace(b"\r", b"\n")), st.data())
def test_lines_do_not_depend_on_the_chunks(text: bytes, data: st.DataObject) -> None:
    max_length, beginning = 5, 3
    positions = st.lists(st.integers(0, len(text)), max_size=8).map(sorted)
    cuts = [0, *data.draw(positions), len(text)]

    async def chunks() -> AsyncIterator[bytes]:
        for start, end in pairwise(cuts):
            yield text[start:end]

    async def read() -> list[Line | OverlongLine]:
        with patch.object(lines, "BEGINNING_BYTES", beginning):
            return [line async for line in split_lines(chunks(), max_length)]

    parts = text.split(b"\n")
    expected = [
        line if len(line) <= max_length else OverlongLine(line[:beginning])
        for line in (parts if parts[-1] else parts[:-1])
    ]
    assert asyncio.run(read()) == expected
