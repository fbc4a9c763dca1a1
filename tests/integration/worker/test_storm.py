"""Attempts by the hundred, by hand, at a server that cuts, stalls and lies, under SIGKILL.

After each of them the file is a version that the server had, whole, or what it was before. The next
one asks for no more than what is missing and one buffer.
"""

import hashlib
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from download_schedule.attempt.result import EXIT_DONE, EXIT_PERMANENT, EXIT_RETRY, decode
from download_worker.http.curl import BUFFER_BYTES
from download_worker.volume.checksum_log import SUFFIX
from download_worker.volume.output_file import NOTE_BYTES
from tests.support import http_faults
from tests.support.attempts import LOOPBACK
from tests.support.http_faults import Behaviour, Exchange, FaultServer, answer, head, raw, redirect
from tools.cluster.certificates import Authority

ROUNDS = 300
SEED = 20261125
SIZE = 6_000_000
ONE_BUFFER = NOTE_BYTES + BUFFER_BYTES
KILLED = -signal.SIGKILL

_WORKER = """
import os, signal, sys
from download_worker.__main__ import main
watched = {"fcntl.flock", "open", "os.listdir", "os.remove", "os.rename", "os.truncate"}
left = int(os.environ["KILL_AT"])

def count(event, _):
    global left
    if event not in watched:
        return
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(count)
sys.exit(main())
"""
"""Dies before the so-manieth thing that it does to the file system; 0: not at all."""


@dataclass(frozen=True)
class Version:
    """What the server has at some time."""

    number: int
    body: bytes

    @property
    def etag(self) -> str:
        return f'"v{self.number}"'


@dataclass(frozen=True)
class Answer:
    """How a request is answered: well, but for what is said here."""

    version: Version
    cut: int | None = None
    """Bytes of the body after which it hangs up."""
    stall: bool = False
    """It falls silent there instead."""
    pause: float = 0.0
    """Seconds between pieces."""
    chunked: bool = False
    interim: bool = False
    padding: int = 0
    """Bytes of a header that means nothing."""
    ignores_range: bool = False
    lies: Callable[[int, int], list[str]] | None = None
    """Says other headers to a part: of its first byte, and of the length of the whole."""
    status: int = 206

    def __call__(self, exchange: Exchange) -> None:
        body, start = self.version.body, self._start(exchange.head)
        lines = [f"ETag: {self.version.etag}"]
        lines += ["X-Pad: " + "x" * self.padding] if self.padding else []
        rest = body[start:]
        if start and self.lies:
            lines = self.lies(start, len(body))
        elif start:
            lines.append(f"Content-Range: bytes {start}-{len(body) - 1}/{len(body)}")
        if not any(line.startswith("Content-Length") for line in lines):
            chunks = "Transfer-Encoding: chunked"
            lines.append(chunks if self.chunked else f"Content-Length: {len(rest)}")
        if self.interim:
            exchange.send(b"HTTP/1.1 103 Early\r\nContent-Range: bytes 0-1/2\r\nETag: no\r\n\r\n")
        exchange.send(head(f"{self.status if start else 200} Said", *lines))
        for piece in self._pieces(rest[: self.cut]):
            exchange.send(b"%x\r\n%s\r\n" % (len(piece), piece) if self.chunked else piece)
            exchange.closing.wait(self.pause)
        if self.stall:
            exchange.hang()
        elif self.chunked and self.cut is None:
            exchange.send(b"0\r\n\r\n")

    def _start(self, request: str) -> int:
        wanted = re.search(r"^Range: bytes=(\d+)-\r?$", request, re.MULTILINE)
        condition = re.search(r"^If-Range: (.*?)\r?$", request, re.MULTILINE)
        if not wanted or not condition or self.ignores_range:
            return 0
        return int(wanted[1]) if self.lies or condition[1] == self.version.etag else 0

    def _pieces(self, body: bytes) -> Iterator[bytes]:
        step = len(body) // 8 + 1 if self.pause else 65536
        return (body[at : at + step] for at in range(0, len(body), step))


def _misranged(start: int, end: int, etag: str = '"v0"') -> list[str]:
    return [f"ETag: {etag}", f"Content-Range: bytes {start}-{end - 1}/{end}"]


LIES: tuple[Callable[[int, int], list[str]], ...] = (
    lambda start, end: _misranged(start + 1, end),
    lambda start, end: _misranged(start - 1, end),
    lambda start, end: _misranged(start, end, '"other"'),
    lambda start, end: _misranged(start, end)[1:],
    lambda start, end: _misranged(start, end)[:1],
    lambda start, end: ['ETag: "v0"', f"Content-Range: bytes {start}-{end - 1}/*x"],
    lambda start, end: ['ETag: "v0"', f"Content-Range: bytes {start}-{end - 2}/{end}"],
    lambda start, end: [*_misranged(start, end), "Content-Encoding: gzip"],
)
"""None of these may be believed: what follows them is of another version."""
MISTAKES: tuple[Callable[[int, int], list[str]], ...] = (
    lambda start, end: _misranged(start, end + 1),
    lambda start, end: [*_misranged(start, end), f"Content-Length: {end - start - 1}"],
)
"""Of these the bytes are right, as far as they go."""


@dataclass
class Storm:
    """A server, a file, and what came of it so far."""

    server: FaultServer
    wrong: FaultServer
    """Speaks TLS under another host's name."""
    output: Path
    seed: int
    seen: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.versions = [
            Version(number, random.Random(f"{self.seed} {number}").randbytes(SIZE))
            for number in range(3)
        ]
        self.url = self.server.origin + "/x"
        self.loop = self.server.on("/loop", redirect("/loop"))

    def round(self) -> None:
        """Make an attempt, and look at everything."""
        before, left = self._file(), self._left()
        asked = len(self.server.heads)
        current = self.versions[0 if self.chance.random() < 0.8 else self.chance.randrange(3)]
        honest = self.chance.random() < 0.1
        behaviour = Answer(current) if honest else self._fault(current)
        self.server.on("/x", behaviour, Answer(current))
        stalls = isinstance(behaviour, Answer) and behaviour.stall
        code = self._attempt(stalls)
        self.seen[str(code)] += 1
        assert code in (EXIT_DONE, EXIT_PERMANENT, EXIT_RETRY, KILLED), behaviour
        after = self._file()
        assert after == before or after in [each.body for each in self.versions], behaviour
        if code in (EXIT_PERMANENT, EXIT_RETRY):
            assert after == before, behaviour
        if code == EXIT_DONE:
            assert after is not None
            assert self._left() is None
        self._check_economy(left, self.server.heads[asked:])

    def _check_economy(self, left: int | None, requests: list[str]) -> None:
        """Whatever an earlier attempt left is made use of, but for one buffer."""
        first = next((text for text in requests if text.startswith("GET /x ")), None)
        if left is None or first is None:
            return
        found = re.search(r"^Range: bytes=(\d+)-", first, re.MULTILINE)
        start = int(found[1]) if found else 0
        self.seen["resumed"] += start > 0
        assert left - start <= ONE_BUFFER, (left, start)

    def _fault(self, current: Version) -> Behaviour:
        chance = self.chance
        cut = chance.choice([0, 1, chance.randrange(SIZE), SIZE - 1])
        faulty: list[Behaviour] = [
            *[Answer(current, cut=cut)] * 10,
            *[Answer(current, cut=cut, chunked=True)] * 5,
            *[Answer(current, cut=cut, stall=True)] * 5,
            Answer(current, chunked=True),
            Answer(current, pause=0.02),
            Answer(current, interim=True),
            Answer(current, padding=90_000),
            Answer(current, padding=400_000),
            Answer(current, ignores_range=True),
            Answer(current, status=416),
            *(Answer(self.versions[1], lies=each) for each in LIES),
            *(Answer(self.versions[0], lies=each) for each in MISTAKES),
            answer(chance.choice([404, 500, 503]), b"sorry"),
            raw(chance.choice([b"", b"HTTP/1.1 ", b"rubbish\r\n\r\n", bytes(1000)])),
            raw(head("200 OK", "Content-Length: -1")),
            raw(head("200 OK", f"Content-Length: {2**64}") + b"x"),
            redirect(self.loop),
            redirect(self.wrong.origin + "/x"),
        ]
        return chance.choice(faulty)

    def _attempt(self, stalls: bool) -> int:
        """Return the exit code; an attempt at a silent server is always killed."""
        chance = self.chance
        way = chance.choice(["time"] if stalls else ["not", "not", "time", "step"])
        step = chance.randrange(1, 25) if way == "step" else 0
        process = subprocess.Popen(
            [sys.executable, "-c", _WORKER, "fetch", self.url, "-o", str(self.output),
             "--allow", LOOPBACK, "--json"],
            env=os.environ | {"KILL_AT": str(step)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        if way == "time":
            time.sleep(chance.uniform(0.05, 0.4))  # a moment, not a wait for something
            process.kill()
        out, err = process.communicate(timeout=60)
        assert "Traceback" not in err
        if process.returncode == EXIT_DONE:
            result = decode(out)
            body = self.output.read_bytes()
            assert (result.bytes, result.sha256) == (SIZE, hashlib.sha256(body).hexdigest())
        elif process.returncode != KILLED:
            assert out, (process.returncode, err)
            assert decode(out).reason
        return process.returncode

    def _file(self) -> bytes | None:
        return self.output.read_bytes() if self.output.exists() else None

    def _left(self) -> int | None:
        """Return the size of the part; there is never more than one."""
        names = {path.name for path in self.output.parent.iterdir()} - {self.output.name}
        assert all(re.fullmatch(r"\.x\.[0-9a-f]{16}\.part(\.jsonl)?", name) for name in names)
        parts = [name for name in names if not name.endswith(SUFFIX)]
        assert len(parts) <= 1
        return (self.output.parent / parts[0]).stat().st_size if parts else None


@pytest.fixture
def misnamed(tmp_path: Path) -> Iterator[FaultServer]:
    folder = tmp_path / "authority"
    folder.mkdir()
    authority = Authority(folder)
    authority.issue("other", "other", hosts=("other.example",))
    with http_faults.running(tls=http_faults.secured(folder, "other")) as running:
        yield running


def test_the_file_is_right_or_absent(
    server: FaultServer, misnamed: FaultServer, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    rounds = pytestconfig.getoption("--storm-rounds", None) or ROUNDS
    seed = pytestconfig.getoption("--storm-seed", None) or SEED
    (tmp_path / "out").mkdir()
    storm = Storm(server, misnamed, tmp_path / "out/x", seed)
    for _ in range(rounds):
        storm.round()
        if storm.chance.random() < 0.1:
            storm.output.unlink(missing_ok=True)
    print(dict(storm.seen))
    assert misnamed.heads == []
    if rounds >= ROUNDS:
        assert storm.seen[str(EXIT_DONE)] >= rounds / 10
        assert storm.seen[str(KILLED)] >= rounds / 10
        assert storm.seen["resumed"] >= rounds / 10


def test_killed_at_every_step_it_is_mended_by_the_next(server: FaultServer, tmp_path: Path) -> None:
    version = Version(0, random.Random(1).randbytes(SIZE // 2))
    url = server.on("/x", Answer(version))
    command = [sys.executable, "-c", _WORKER, "fetch", url, "-o", str(tmp_path / "x")]
    steps = 0
    code = KILLED
    while code == KILLED:
        steps += 1
        (tmp_path / "x").unlink(missing_ok=True)
        code, again = (
            subprocess.run(
                [*command, "--allow", LOOPBACK, "--only-if-changed"],
                env=os.environ | {"KILL_AT": str(kill_at)},
                capture_output=True,
                check=False,
            ).returncode
            for kill_at in (steps, 0)
        )
        assert again == EXIT_DONE
        assert (tmp_path / "x").read_bytes() == version.body
        assert sorted(path.name for path in tmp_path.iterdir()) == [".download-operator", "x"]
        assert [path.name for path in (tmp_path / ".download-operator").iterdir()] == ["x.json"]
    assert steps > 15
