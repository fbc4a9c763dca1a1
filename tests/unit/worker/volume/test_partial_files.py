"""What an attempt leaves, and what the next one makes of it."""

import errno
import fcntl
import hashlib
import itertools
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from download_worker.errors import StoppedError
from download_worker.http.validators import Origin
from download_worker.volume import output_file as module
from download_worker.volume.checksum_log import SUFFIX
from download_worker.volume.output_file import File
from download_worker.volume.partial_files import ABANDONED_SECONDS, Leftover, Parts

URL = "https://example.com/x"
BODY = bytes(range(256)) * 40
ORIGIN = Origin(URL, '"v1"', len(BODY))


def leave(root: Path, size: int, origin: Origin = ORIGIN, job: str = "job") -> Path:
    """Leave a part as an attempt does that fails."""
    file = File(Parts(root, "parts", job).new(), root, "x", origin)
    file.write(BODY[:size])
    file.checkpoint(hashlib.sha256(BODY[:size]).hexdigest())
    file.abandon(resumable=True)
    (part,) = (path for path in (root / "parts").glob(f".{job}.*.part"))
    return part


def take(root: Path, url: str = URL) -> Leftover | None:
    return Parts(root, "parts", "job").leftover(url, lambda: False)


def journal(part: Path) -> Path:
    return part.with_name(part.name + SUFFIX)


def change(part: Path, line: int, **values: Any) -> None:
    lines = [json.loads(text) for text in journal(part).read_text().splitlines()]
    lines[line].update(values)
    journal(part).write_text("".join(json.dumps(each) + "\n" for each in lines))


@pytest.mark.parametrize("size", [2, 1000, len(BODY) - 1])
def test_all_of_it_is_used_but_one_byte(tmp_path: Path, size: int) -> None:
    leave(tmp_path, size)
    leftover = take(tmp_path)
    assert leftover
    assert leftover.size == size - 1
    assert leftover.digest.hexdigest() == hashlib.sha256(BODY[: size - 1]).hexdigest()
    assert dict(leftover.origin.headers(5)) == {"Range": "bytes=5-", "If-Range": '"v1"'}


def test_a_single_byte_is_not_used(tmp_path: Path) -> None:
    part = leave(tmp_path, 1)
    assert take(tmp_path) is None
    assert not part.exists()
    assert not journal(part).exists()


def test_nothing_is_not_left(tmp_path: Path) -> None:
    file = File(Parts(tmp_path, "", "job").new(), tmp_path, "x", ORIGIN)
    file.checkpoint(hashlib.sha256().hexdigest())
    file.abandon(resumable=True)
    assert list(tmp_path.iterdir()) == []


def test_a_complete_one_needs_its_last_byte_again(tmp_path: Path) -> None:
    leave(tmp_path, len(BODY))
    leftover = take(tmp_path)
    assert leftover
    assert leftover.size == len(BODY) - 1


def test_it_becomes_the_file(tmp_path: Path) -> None:
    part = leave(tmp_path, 1000)
    leftover = take(tmp_path)
    assert leftover
    file = File(leftover.part, tmp_path, "x", leftover.origin, leftover.size)
    file.write(BODY[leftover.size :])
    file.commit("")
    assert (tmp_path / "x").read_bytes() == BODY
    assert not part.exists()
    assert not journal(part).exists()


def written(root: Path, *sizes: int, origin: Origin = ORIGIN) -> Path:
    """Write on and on, and die."""
    file = File(Parts(root, "parts", "job").new(), root, "x", origin)
    for start, end in itertools.pairwise((0, *sizes)):
        file.write(BODY[start:end])
        file.checkpoint(hashlib.sha256(BODY[:end]).hexdigest())
    os.close(file._part.file)  # as when the process dies
    (part,) = (root / "parts").glob("*.part")
    return part


@pytest.fixture
def every_byte_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "NOTE_BYTES", 1)


def zero(part: Path, start: int) -> None:
    """As a file system may after a crash: the length is there, the bytes are not."""
    part.write_bytes(part.read_bytes()[:start] + bytes(part.stat().st_size - start))


@pytest.mark.usefixtures("every_byte_noted")
@pytest.mark.parametrize(
    ("harm", "size"),
    [
        (lambda part: None, 1499),
        (lambda part: os.truncate(part, 1499), 999),
        (lambda part: os.truncate(part, 400), None),
        (lambda part: zero(part, 1400), 999),
        (lambda part: zero(part, 0), None),
        (lambda part: part.write_bytes(part.read_bytes() + b"more"), 1499),
        (lambda part: os.truncate(journal(part), journal(part).stat().st_size - 1), 999),
        (lambda part: change(part, 2, sha256="0" * 64), 499),
        (lambda part: change(part, 2, bytes=500), 499),
        (lambda part: change(part, 2, bytes="1000"), 499),
        (lambda part: change(part, 2, bytes=len(BODY) + 1), 499),
    ],
)
def test_what_the_journal_confirms_counts(
    tmp_path: Path, harm: Callable[[Path], None], size: int | None
) -> None:
    harm(written(tmp_path, 500, 1000, 1500))
    leftover = take(tmp_path)
    assert (leftover.size if leftover else None) == size
    if leftover:
        assert leftover.digest.hexdigest() == hashlib.sha256(BODY[:size]).hexdigest()


@pytest.mark.usefixtures("every_byte_noted")
def test_who_is_stopped_while_it_is_hashed_leaves_it(tmp_path: Path) -> None:
    written(tmp_path, 500, 1000, 1500)
    asked = iter([False, True])
    with pytest.raises(StoppedError):
        Parts(tmp_path, "parts", "job").leftover(URL, lambda: next(asked))
    leftover = take(tmp_path)
    assert leftover
    assert leftover.size == 1499


@pytest.mark.usefixtures("every_byte_noted")
def test_what_the_disk_cannot_read_is_fetched_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path, 500, 1000, 1500)
    really = os.pread

    def pread(file: int, size: int, start: int) -> bytes:
        if start + size > 1000:
            raise OSError(errno.EIO, "Input/output error")
        return really(file, size, start)

    monkeypatch.setattr(os, "pread", pread)
    leftover = take(tmp_path)
    assert leftover
    assert leftover.size == 999


def test_a_death_costs_a_mebibyte_at_most(tmp_path: Path) -> None:
    body = bytes(module.NOTE_BYTES)
    file = File(Parts(tmp_path, "parts", "job").new(), tmp_path, "x", Origin(URL, '"v1"', None))
    for count in (1, 2):
        file.write(body)
        file.checkpoint(hashlib.sha256(body * count).hexdigest())
    file.write(body[:-1])
    file.checkpoint("less than a mebibyte: not noted")
    os.close(file._part.file)
    leftover = take(tmp_path)
    assert leftover
    assert leftover.size == 2 * module.NOTE_BYTES - 1


@pytest.mark.usefixtures("every_byte_noted")
def test_what_is_gone_on_with_is_noted_anew(tmp_path: Path) -> None:
    """Other bytes may follow than those that came before."""
    written(tmp_path, 500, 1000)
    leftover = take(tmp_path)
    assert leftover
    known = leftover.origin, leftover.size, leftover.digest.hexdigest()
    file = File(leftover.part, tmp_path, "x", *known)
    other = BODY[: leftover.size] + bytes(1000)
    file.write(bytes(1000))
    file.checkpoint(hashlib.sha256(other).hexdigest())
    file.abandon(resumable=True)
    again = take(tmp_path)
    assert again
    assert again.size == len(other) - 1
    assert again.digest.hexdigest() == hashlib.sha256(other[:-1]).hexdigest()


@pytest.mark.usefixtures("every_byte_noted")
def test_the_disk_has_it_every_few_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    really = os.fsync

    def fsync(file: int) -> None:
        synced.append(Path(f"/proc/self/fd/{file}").readlink().name)
        really(file)

    monkeypatch.setattr(os, "fsync", fsync)
    part = written(tmp_path, 500)
    assert part.name not in synced
    monkeypatch.setattr(module, "SYNC_SECONDS", 0)
    part.unlink()
    part = written(tmp_path, 500)
    assert synced[-3:] == [part.name, part.name + SUFFIX, "parts"]


def test_what_the_disk_refused_is_not_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kernel tells once that bytes are lost, and then takes the file for well."""
    file = File(Parts(tmp_path, "", "job").new(), tmp_path, "x", ORIGIN)
    file.write(BODY)
    file.checkpoint(hashlib.sha256(BODY).hexdigest())

    def refuse(_file: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match="Input/output"):
        file.commit("")
    file.abandon(resumable=True)
    assert list(tmp_path.iterdir()) == []


def test_what_another_is_at_is_left_alone(tmp_path: Path) -> None:
    file = File(Parts(tmp_path, "parts", "job").new(), tmp_path, "x", ORIGIN)
    file.write(BODY[:10])
    assert take(tmp_path) is None
    file.commit("")
    assert (tmp_path / "x").read_bytes() == BODY[:10]


def test_without_locks_only_what_is_old_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody may be at any of them, for as long as a run may take."""

    def flock(_file: int, _operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    old, new = leave(tmp_path, 1000, job="job"), leave(tmp_path, 1000, job="other")
    for part, job in ((old, "job"), (new, "other")):
        age = time.time() - (ABANDONED_SECONDS + 60 if part == old else 7 * 24 * 3600)
        os.utime(part, (age, age))
        for _ in range(2):  # a journal goes when its part is gone
            assert Parts(tmp_path, "parts", job).leftover(URL, lambda: False) is None
    assert set((tmp_path / "parts").iterdir()) == {new, journal(new)}


def test_the_newest_is_used_and_the_others_go(tmp_path: Path) -> None:
    older = leave(tmp_path, 2000)
    os.utime(older, (1, 1))
    other = leave(tmp_path, 100, job="job.0123456789abcdef")
    file = File(Parts(tmp_path, "parts", "job").new(), tmp_path, "x", ORIGIN)
    file.write(BODY[:1000])
    file.checkpoint(hashlib.sha256(BODY[:1000]).hexdigest())
    file.abandon(resumable=True)
    leftover = take(tmp_path)
    assert leftover
    assert leftover.size == 999
    assert not older.exists()
    assert other.exists()


def _rubbish(text: str) -> Callable[[Path], None]:
    def harm(part: Path) -> None:
        journal(part).write_text(text)

    return harm


@pytest.mark.parametrize(
    "harm",
    [
        lambda part: journal(part).unlink(),
        _rubbish(""),
        _rubbish("[]"),
        _rubbish("[" * 10_000),
        _rubbish("{}\n"),
        _rubbish("[]\n"),
        _rubbish("[" * 10_000 + "\n"),
        _rubbish("\n" * 10),
        lambda part: change(part, 0, more=1),
        lambda part: change(part, 0, validator="a\r\nb"),
        lambda part: change(part, 0, validator="é"),
        lambda part: change(part, 0, validator=None),
        lambda part: change(part, 0, length=-1),
        lambda part: change(part, 0, length="1"),
        lambda part: change(part, 0, length=999),
        lambda part: change(part, 0, url="https://b"),
        lambda part: change(part, 1, bytes=1001),
        lambda part: change(part, 1, bytes=-1),
        lambda part: change(part, 1, sha256=None),
    ],
)
def test_what_cannot_be_believed_is_removed(tmp_path: Path, harm: Callable[[Path], None]) -> None:
    part = leave(tmp_path, 1000)
    harm(part)
    assert take(tmp_path) is None
    assert list((tmp_path / "parts").iterdir()) == []


def test_links_are_not_followed(tmp_path: Path) -> None:
    part = leave(tmp_path, 1000)
    precious = tmp_path / "precious"
    precious.write_bytes(BODY)
    part.unlink()
    part.symlink_to(precious)
    assert take(tmp_path) is None
    part.unlink()
    part.hardlink_to(precious)
    assert take(tmp_path) is None
    assert precious.read_bytes() == BODY


def test_a_journal_without_its_part_goes(tmp_path: Path) -> None:
    part = leave(tmp_path, 1000)
    part.unlink()
    assert take(tmp_path) is None
    assert not journal(part).exists()


def test_without_an_origin_nothing_is_left(tmp_path: Path) -> None:
    file = File(Parts(tmp_path, "", "job").new(), tmp_path, "x")
    file.write(BODY)
    file.checkpoint("")
    assert list(tmp_path.glob(".job.*.part"))
    file.abandon(resumable=True)
    assert list(tmp_path.iterdir()) == []


def test_no_file_descriptor_is_left_open(tmp_path: Path) -> None:
    leave(tmp_path, 10)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for size in (1000, 2000):
        leave(tmp_path, size, job=f"job{size}")
        assert take(tmp_path, "https://elsewhere") is None
    assert len(list(Path("/proc/self/fd").iterdir())) == before
