"""Lines of bounded length, however a stream is cut into chunks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from itertools import pairwise
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from download_kube import lines
from download_kube.lines import LARGE_BYTES, Line, OverlongLine, split_lines


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
            return [line async for line in split_lines(chunks(), asyncio.Semaphore(), max_length)]

    parts = text.split(b"\n")
    expected = [
        line if len(line) <= max_length else OverlongLine(line[:beginning])
        for line in (parts if parts[-1] else parts[:-1])
    ]
    assert asyncio.run(read()) == expected


def test_only_one_of_two_large_lines_is_read_at_a_time() -> None:
    chunk = b"x" * (LARGE_BYTES + 1)

    async def read() -> None:
        large_reads = asyncio.Semaphore(1)
        first_may_end = asyncio.Event()
        order: list[str] = []

        async def first() -> AsyncIterator[bytes]:
            yield chunk
            await first_may_end.wait()
            order.append("end of the first")
            yield b"\n"

        async def second() -> AsyncIterator[bytes]:
            yield chunk
            order.append("rest of the second")
            yield chunk + b"\n"

        async def lengths(chunks: AsyncIterator[bytes]) -> list[int]:
            return [
                len(line)
                async for line in split_lines(chunks, large_reads)
                if not isinstance(line, OverlongLine)
            ]

        tasks = [asyncio.create_task(lengths(chunks())) for chunks in (first, second)]
        await asyncio.sleep(0.01)
        assert order == []
        first_may_end.set()
        assert await asyncio.gather(*tasks) == [[len(chunk)], [2 * len(chunk)]]
        assert order == ["end of the first", "rest of the second"]
        assert not large_reads.locked()

    asyncio.run(read())


def test_stream_that_breaks_off_in_a_large_line_does_not_keep_others_waiting() -> None:
    async def read() -> None:
        large_reads = asyncio.Semaphore(1)

        async def broken() -> AsyncIterator[bytes]:
            yield b"x" * (LARGE_BYTES + 1)
            assert large_reads.locked()
            raise OSError

        with suppress(OSError):
            async for _ in split_lines(broken(), large_reads):
                pass
        assert not large_reads.locked()

    asyncio.run(read())
