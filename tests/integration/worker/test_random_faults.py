"""Hundreds of attempts at a server that cuts, stalls, lies and refuses, some of them killed.

After each attempt the file is either a whole version of the server's or what it was before. The
next attempt asks for no more than what is missing, a mebibyte and one buffer. And whatever came
before, a server that serves plain requests, and refuses all others, ends it within one run.
"""

import hashlib
import os
import random
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from download_schedule.attempt.result import EXIT_DONE, EXIT_PERMANENT, EXIT_RETRY, decode
from download_worker.http.curl import BUFFER_BYTES
from download_worker.volume.checksum_log import SUFFIX
from download_worker.volume.manifest import FOLDER
from download_worker.volume.output_file import LOG_BYTES
from download_worker.volume.partial_files import MAX_TRIES
from tests.support import forked, http_faults
from tests.support.attempts import LOOPBACK
from tests.support.http_faults import (
    Behaviour,
    Exchange,
    FaultServer,
    redirect,
    respond,
    response_head,
    send,
)
from tools.cluster.certificates import Authority

ROUNDS = 300
SEED = 20261125
SIZE = 6_000_000
MAX_LOSS = LOG_BYTES + BUFFER_BYTES
"""Bytes of an earlier attempt that may be fetched again."""
KILLED = -signal.SIGKILL
ATTEMPTS = 4
"""Attempts of one run, with the default `backoffLimit`."""

_WORKER = """
import os, signal, sys
from download_worker.__main__ import main
watched = {"fcntl.flock", "open", "os.listdir", "os.remove", "os.rename", "os.truncate"}
remaining = int(os.environ["KILL_AT"])

def count(event, _):
    global remaining
    if event not in watched:
        return
    remaining -= 1
    if remaining == 0:
        os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(count)
sys.exit(main())
"""
"""Dies just before the KILL_AT-th thing that it does to the file system; 0: does not die."""


Lie = Callable[[int, int], list[str]]
"""Returns headers, by the first byte of the part and the length of the whole file."""


@dataclass(frozen=True)
class Version:
    """One version of the file on the server."""

    number: int
    body: bytes

    @property
    def etag(self) -> str:
        return f'"v{self.number}"'


@dataclass(frozen=True)
class Response:
    """Responds as a server should, except for these faults."""

    version: Version
    cut: int | None = None
    """Bytes of the body after which the server hangs up."""
    stall: bool = False
    """The server falls silent there instead."""
    pause: float = 0.0
    """Seconds between two pieces."""
    chunked: bool = False
    interim: bool = False
    padding: int = 0
    """Bytes of a meaningless header."""
    ignores_range: bool = False
    lie: Lie | None = None
    """Returns the headers of a partial response, instead of the right ones."""
    status: int = 206

    def __call__(self, exchange: Exchange) -> None:
        if f"\nIf-None-Match: {self.version.etag}\r" in exchange.request:
            exchange.send(response_head("304 Not Modified", f"ETag: {self.version.etag}"))
            return
        body, start = self.version.body, self._start(exchange.request)
        lines = [f"ETag: {self.version.etag}"]
        lines += ["X-Pad: " + "x" * self.padding] if self.padding else []
        rest = body[start:]
        if start and self.lie:
            lines = self.lie(start, len(body))
        elif start:
            lines.append(f"Content-Range: bytes {start}-{len(body) - 1}/{len(body)}")
        if not any(line.startswith("Content-Length") for line in lines):
            chunks = "Transfer-Encoding: chunked"
            lines.append(chunks if self.chunked else f"Content-Length: {len(rest)}")
        if self.interim:
            exchange.send(b"HTTP/1.1 103 Early\r\nContent-Range: bytes 0-1/2\r\nETag: no\r\n\r\n")
        exchange.send(response_head(f"{self.status if start else 200} Said", *lines))
        for piece in self._pieces(rest[: self.cut]):
            exchange.send(b"%x\r\n%s\r\n" % (len(piece), piece) if self.chunked else piece)
            exchange.closing.wait(self.pause)
        if self.stall:
            exchange.hang()
        elif self.chunked and self.cut is None:
            exchange.send(b"0\r\n\r\n")

    def _start(self, request: str) -> int:
        asked = re.search(r"^Range: bytes=(\d+)-\r?$", request, re.MULTILINE)
        condition = re.search(r"^If-Range: (.*?)\r?$", request, re.MULTILINE)
        if not asked or not condition or self.ignores_range:
            return 0
        return int(asked[1]) if self.lie or condition[1] == self.version.etag else 0

    def _pieces(self, body: bytes) -> Iterator[bytes]:
        step = len(body) // 8 + 1 if self.pause else 65536
        return (body[start : start + step] for start in range(0, len(body), step))


@dataclass(frozen=True)
class Refusal:
    """Refuses a request with any header that the worker adds, and responds to a plain one."""

    refusal: Behaviour
    otherwise: Behaviour

    def __call__(self, exchange: Exchange) -> None:
        is_plain = not re.search(r"^(Range|If-[\w-]+):", exchange.request, re.MULTILINE)
        (self.otherwise if is_plain else self.refusal)(exchange)


@dataclass(frozen=True)
class CutRest:
    """Cuts a request for the rest of the file, and responds as it should to a condition alone."""

    version: Version
    cut: Response

    def __call__(self, exchange: Exchange) -> None:
        asks_for_rest = "\nRange: " in exchange.request
        (self.cut if asks_for_rest else Response(self.version))(exchange)


def _misranged(start: int, end: int, etag: str = '"v0"') -> list[str]:
    return [f"ETag: {etag}", f"Content-Range: bytes {start}-{end - 1}/{end}"]


LIES: tuple[Lie, ...] = (
    lambda start, end: _misranged(start + 1, end),
    lambda start, end: _misranged(start - 1, end),
    lambda start, end: _misranged(start, end, '"other"'),
    lambda start, end: _misranged(start, end)[1:],
    lambda start, end: _misranged(start, end)[:1],
    lambda start, end: ['ETag: "v0"', f"Content-Range: bytes {start}-{end - 1}/*x"],
    lambda start, end: ['ETag: "v0"', f"Content-Range: bytes {start}-{end - 2}/{end}"],
    lambda start, end: [*_misranged(start, end), "Content-Encoding: gzip"],
)
"""The worker must not believe any of these: bytes of another version follow."""
MISTAKES: tuple[Lie, ...] = (
    lambda start, end: _misranged(start, end + 1),
    lambda start, end: [*_misranged(start, end), f"Content-Length: {end - start - 1}"],
)
"""Bytes of the right version follow these, as far as they go."""


@dataclass
class Scenario:
    """A server, a file, and what has happened so far."""

    server: FaultServer
    wrong: FaultServer
    """Its certificate is for another host."""
    output: Path
    seed: int
    counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.versions = [
            Version(number, random.Random(f"{self.seed} {number}").randbytes(SIZE))
            for number in range(3)
        ]
        self.url = self.server.origin + "/x"
        self.loop = self.server.on("/loop", redirect("/loop"))

    def run_attempt(self) -> None:
        """Make one attempt, and check what it did."""
        rng = self.rng
        before, leftover = self._file(), self._leftover()
        earlier = len(self.server.requests)
        current = self.versions[0 if rng.random() < 0.8 else rng.randrange(3)]
        behaviour = Response(current) if rng.random() < 0.1 else self._fault(current)
        second = Response(current) if rng.random() < 0.7 else self._fault(current)
        if isinstance(second, Response):
            second = replace(second, stall=False)
        self.server.on("/x", behaviour, second)
        stalls = isinstance(behaviour, Response) and behaviour.stall
        code = self._attempt(rng.choice(["time"] if stalls else ["not", "not", "time", "step"]))
        self.counts[str(code)] += 1
        assert code in (EXIT_DONE, EXIT_PERMANENT, EXIT_RETRY, KILLED), behaviour
        after = self._file()
        assert after == before or after in [version.body for version in self.versions], behaviour
        if code in (EXIT_PERMANENT, EXIT_RETRY):
            assert after == before, behaviour
        if code == EXIT_DONE:
            assert after is not None
            assert self._leftover() is None
        self._check_range(leftover, self.server.requests[earlier:])

    def recover(self) -> None:
        """Check that one run at a server that refuses all but plain requests brings its file."""
        current = self.rng.choice(self.versions)
        refusal = self._refusal(current)
        self.server.on("/x", Refusal(refusal, Response(current)))
        codes: list[int] = []
        while len(codes) < ATTEMPTS and codes[-1:] != [EXIT_DONE]:
            codes.append(self._attempt("not"))
        self.counts[f"recovered in {len(codes)}"] += 1
        assert codes[-1] == EXIT_DONE, (refusal, codes)
        assert self._file() == current.body, refusal
        assert self._leftover() is None, refusal

    def _refusal(self, current: Version) -> Behaviour:
        """Return how a server that has only *current* responds to what it does not like."""
        rng = self.rng
        refusals: list[Behaviour] = [
            *(respond(status, b"no") for status in (400, 403, 404, 412, 416, 429, 500, 503)),
            respond(503, b"no", "Retry-After: 3600"),
            *(respond(status, b"") for status in (202, 204)),
            *(send(data) for data in (b"", b"HTTP/1.1 ", b"rubbish\r\n\r\n", bytes(1000))),
            respond(206, b"--x", "Content-Type: multipart/byteranges; boundary=x"),
            redirect(self.loop),
            redirect("ftp://example.com/x"),
            *(CutRest(current, Response(current, cut=cut)) for cut in (0, 1)),
            *(Response(current, lie=lie) for lie in LIES),
        ]
        return rng.choice(refusals)

    def _check_range(self, leftover: int | None, requests: list[str]) -> None:
        """Check that the attempt used nearly everything that an earlier one had left."""
        first = next((text for text in requests if text.startswith("GET /x ")), None)
        if leftover is None or first is None:
            return
        match = re.search(r"^Range: bytes=(\d+)-", first, re.MULTILINE)
        start = int(match[1]) if match else 0
        self.counts["resumed"] += start > 0
        assert leftover - start <= MAX_LOSS, (leftover, start)

    def _fault(self, current: Version) -> Behaviour:
        rng = self.rng
        cut = rng.choice([0, 1, rng.randrange(SIZE), SIZE - 1])
        faulty: list[Behaviour] = [
            *[Response(current, cut=cut)] * 10,
            *[Response(current, cut=cut, chunked=True)] * 5,
            *[Response(current, cut=cut, stall=True)] * 5,
            Response(current, chunked=True),
            Response(current, pause=0.02),
            Response(current, interim=True),
            Response(current, padding=90_000),
            Response(current, padding=400_000),
            Response(current, ignores_range=True),
            Response(current, status=416),
            *(Response(self.versions[1], lie=lie) for lie in LIES),
            *(Response(self.versions[0], lie=lie) for lie in MISTAKES),
            respond(rng.choice([404, 500, 503]), b"sorry"),
            respond(503, b"sorry", f"Retry-After: {rng.choice([1, 3600])}"),
            *[Refusal(self._refusal(current), Response(current, cut=cut))] * 5,
            send(rng.choice([b"", b"HTTP/1.1 ", b"rubbish\r\n\r\n", bytes(1000)])),
            send(response_head("200 OK", "Content-Length: -1")),
            send(response_head("200 OK", f"Content-Length: {2**64}") + b"x"),
            redirect(self.loop),
            redirect(self.wrong.origin + "/x"),
        ]
        return rng.choice(faulty)

    def _attempt(self, kill: str) -> int:
        """Run the worker, kill it at some time or step or not, and return its exit code."""
        rng = self.rng
        step = rng.randrange(1, 25) if kill == "step" else 0
        process = forked.start(
            forked.WORKER,
            ["-c", _WORKER, "fetch", self.url, "-o", str(self.output),
             "--allow", LOOPBACK, "--json", "--only-if-changed"],
            env=os.environ | {"KILL_AT": str(step)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        if kill == "time":
            time.sleep(rng.uniform(0.05, 0.8))  # kills it at a random moment
            process.kill()
        out, err = process.communicate(timeout=60)
        assert "Traceback" not in err
        if process.returncode == EXIT_DONE:
            result = decode(out)
            body = self.output.read_bytes()
            assert result.sha256 == hashlib.sha256(body).hexdigest()
            assert result.unchanged or result.bytes == SIZE
            self.counts["unchanged"] += bool(result.unchanged)
        elif process.returncode != KILLED:
            assert out, (process.returncode, err)
            assert decode(out).reason
        return process.returncode

    def _file(self) -> bytes | None:
        return self.output.read_bytes() if self.output.exists() else None

    def _leftover(self) -> int | None:
        """Return the size of the partial file that is still of use; there is never more than one.

        One that did not help twice in a row is not.
        """
        names = {path.name for path in self.output.parent.iterdir()} - {self.output.name, FOLDER}
        assert all(re.fullmatch(r"\.x\.[0-9a-f]{16}\.part(\.jsonl)?", name) for name in names)
        partial = [name for name in names if not name.endswith(SUFFIX)]
        assert len(partial) <= 1
        if not partial:
            return None
        log = self.output.parent / (partial[0] + SUFFIX)
        if log.exists() and log.read_text().count('"tried"') >= MAX_TRIES:
            self.counts["given up"] += 1
            return None
        return (self.output.parent / partial[0]).stat().st_size


@pytest.fixture
def misnamed(tmp_path: Path) -> Iterator[FaultServer]:
    folder = tmp_path / "authority"
    folder.mkdir()
    authority = Authority(folder)
    authority.issue("other", "other", hosts=("other.example",))
    with http_faults.run_server(tls=http_faults.tls_context(folder, "other")) as misnamed_server:
        yield misnamed_server


def test_file_is_right_or_absent_after_any_fault(
    server: FaultServer, misnamed: FaultServer, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    rounds = pytestconfig.getoption("--fault-rounds", None) or ROUNDS
    seed = pytestconfig.getoption("--fault-seed", None) or SEED
    (tmp_path / "out").mkdir()
    scenario = Scenario(server, misnamed, tmp_path / "out/x", seed)
    for _ in range(rounds):
        scenario.run_attempt()
        if scenario.rng.random() < 0.5:
            scenario.output.unlink(missing_ok=True)
        if scenario.rng.random() < 0.1:
            scenario.recover()
    print(dict(scenario.counts))
    assert misnamed.requests == []
    if rounds >= ROUNDS:
        assert scenario.counts[str(EXIT_DONE)] >= rounds / 10
        assert scenario.counts[str(KILLED)] >= rounds / 10
        assert scenario.counts["resumed"] >= rounds / 50  # a busy machine kills before the body
        assert scenario.counts["unchanged"] >= rounds / 100
        assert scenario.counts["recovered in 1"] >= rounds / 20


def test_attempt_killed_at_any_step_is_completed_by_the_next(
    server: FaultServer, tmp_path: Path
) -> None:
    version = Version(0, random.Random(1).randbytes(SIZE // 2))
    url = server.on("/x", Response(version))
    fetch = ["-c", _WORKER, "fetch", url, "-o", str(tmp_path / "x")]
    fetch += ["--allow", LOOPBACK, "--only-if-changed"]
    steps = 0
    code = KILLED
    while code == KILLED:
        steps += 1
        (tmp_path / "x").unlink(missing_ok=True)
        code, next_code = (
            forked.run(forked.WORKER, fetch, env=os.environ | {"KILL_AT": str(kill_at)}).returncode
            for kill_at in (steps, 0)
        )
        assert next_code == EXIT_DONE
        assert (tmp_path / "x").read_bytes() == version.body
        assert sorted(path.name for path in tmp_path.iterdir()) == [".download-operator", "x"]
        assert [path.name for path in (tmp_path / ".download-operator").iterdir()] == ["x.json"]
    assert steps > 15
