"""How a schedule's own files on the volume are named."""

import pytest

from download_worker.volume.save import MAX_PREFIX_BYTES, file_prefix


@pytest.mark.parametrize("name", ["team.nightly", "x" * MAX_PREFIX_BYTES, "é" * 100])
def test_short_name_is_the_prefix(name: str) -> None:
    assert file_prefix(name) == name


@pytest.mark.parametrize("name", ["x" * 201, "é" * 101, "€" * 1000])
def test_long_name_is_shortened_with_a_hash(name: str) -> None:
    prefix = file_prefix(name)
    assert len(prefix.encode()) <= MAX_PREFIX_BYTES
    assert name.startswith(prefix[:50])
    assert prefix != file_prefix(name + "x")


def test_no_name_has_the_prefix_of_another_that_was_shortened() -> None:
    shortened = file_prefix("x" * 201)
    assert len(shortened) < MAX_PREFIX_BYTES
    assert file_prefix(shortened) != shortened
    assert file_prefix(f"{shortened}x") == f"{shortened}x"
