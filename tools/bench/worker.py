"""``python -m tools.bench.worker``: the worker compared with curl, its uploads with rclone.

One nginx on loopback serves both, and they take turns in every round. The worker hashes and syncs
what it writes, and curl does neither. What curl takes with sha256sum and sync after it is printed
as well, but is not part of the ratio. Figures are medians; a ratio below 1 means that the worker is
faster.

Many files are fetched in sequence by one process of each kind, and eight at a time by one curl and
by eight workers. curl reuses its connections. The worker opens one for each file, and in a cluster
it is also started for each; the last row shows the price of that. Memory is that of the process
started.

A virtual machine that returns unused memory to its host takes seconds to get a gibibyte back. As
much as the page cache is about to need is therefore allocated before each command, so that none
pays for another. On a machine that is busy all the time, additional work such as the checksum takes
additional time, even in a thread of its own.
"""

import argparse
import os
import shlex
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from download_schedule.attempt.variables import ALLOW_CIDRS_VARIABLE, CA_FILE_VARIABLE, JOB_VARIABLE
from tests.support import s3
from tests.support.cluster_objects import desired_state
from tools import command
from tools.bench import compile_sources
from tools.bench.cpu_time import Usage, median, run
from tools.cluster.certificates import Authority
from tools.cluster.host import require_program
from tools.cluster.kubectl import wait_for
from tools.cluster.ports import free_ports

MEBIBYTE = 1024 * 1024
MANY = 2000
SMALL = 64 * 1024
NGINX = """
worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
  access_log off; sendfile on; keepalive_requests 100000; etag on;
  client_body_temp_path {folder}/t; proxy_temp_path {folder}/t; fastcgi_temp_path {folder}/t;
  uwsgi_temp_path {folder}/t; scgi_temp_path {folder}/t;
  server {{
    listen 127.0.0.1:{http}; listen 127.0.0.1:{https} ssl; root {folder}/www;
    ssl_certificate {folder}/tls.crt; ssl_certificate_key {folder}/tls.key;
  }}
}}
"""
WORKER = [sys.executable, "-m", "download_worker"]
RUN = [*WORKER, "run"]
FETCH = [*WORKER, "fetch", "--allow", "127.0.0.0/8"]
MANY_IN_ONE = """
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from download_worker.download_request import DownloadRequest
from download_worker.egress.policy import EgressPolicy, parse_range
from download_worker.http.curl import ConnectionOptions
from download_worker.http.messages import Request
from download_worker.volume.save import VolumeTarget, save_to_volume

root, origin, count, workers = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
connection = ConnectionOptions(EgressPolicy((parse_range("127.0.0.0/8"),)))

def one(number):
    url, name = f"{origin}/small/{number}", str(number)
    target = VolumeTarget(root, name, lambda _: name, lambda path: path, url, has_manifest=False)
    request = DownloadRequest(Request(url), connection)
    save_to_volume(request, target, progress=lambda *_: None, stopped=lambda: False)

if workers == 1:
    list(map(one, range(count)))
else:
    with ProcessPoolExecutor(workers) as pool:
        list(pool.map(one, range(count), chunksize=10))
"""


@dataclass(frozen=True)
class Server:
    """nginx with its files, and the folder for downloads."""

    folder: Path
    http: str
    https: str

    @property
    def out(self) -> Path:
        return self.folder / "out"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench.worker", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--mebibytes", type=int, default=2048, help="size of the large file")
    parser.add_argument("--folder", type=Path, help="where to work; default: the temporary folder")
    arguments = parser.parse_args()
    compile_sources()
    with (
        tempfile.TemporaryDirectory(dir=arguments.folder) as folder,
        _nginx(Path(folder), arguments.mebibytes) as server,
    ):
        _measure("beside curl", _downloads(server), arguments.rounds, server)
        _measure_start(arguments.rounds)
        with s3.running(Path(folder)) as bucket:
            _measure("beside rclone", _uploads(server, bucket), arguments.rounds, server)


@dataclass(frozen=True)
class Contest:
    """One row of the table: the same job for another program and for ours."""

    name: str
    theirs: list[str]
    ours: list[str]
    same_work: list[str] | None = None
    """Their command with a checksum and a sync after it."""

    def commands(self) -> list[tuple[str, list[str]]]:
        """Return the commands by side, in the order of their turns."""
        same = [("same", self.same_work)] if self.same_work else []
        return [("theirs", self.theirs), ("ours", self.ours), *same]


def _downloads(server: Server) -> list[Contest]:
    out = str(server.out / "x")
    urls = "".join(f'url="{server.http}/small/{n}"\noutput="{server.out}/{n}"\n'
                   for n in range(MANY))  # fmt: skip
    (server.folder / "urls").write_text(urls)
    curl = ["curl", "--silent", "--fail", "--noproxy", "*"]
    listed = [*curl, "--config", str(server.folder / "urls")]
    many = [sys.executable, "-c", MANY_IN_ONE, str(server.out), server.http, str(MANY)]
    secure = ["--cacert", str(server.folder / "ca.crt")]

    def one(name: str, url: str, *options: str) -> Contest:
        theirs = [*curl, *options, url, "-o", out]
        return Contest(name, theirs, [*FETCH, url, "-o", out], _with_same_work(theirs, server.out))

    def all_of_many(name: str, workers: int, *options: str) -> Contest:
        theirs = [*listed, *options]
        return Contest(name, theirs, [*many, str(workers)], _with_same_work(theirs, server.out))

    return [
        one("large, HTTP", f"{server.http}/large"),
        one("large, TLS", f"{server.https}/large", *secure),
        all_of_many(f"{MANY} of 64 KiB, in sequence", 1),
        all_of_many(f"{MANY} of 64 KiB, 8 at a time", 8, "-Z", "--parallel-max", "8"),
        one("1 KiB from start to end", f"{server.http}/tiny"),
    ]


def _with_same_work(curl: list[str], out: Path) -> list[str]:
    """Return the command with a checksum and syncs of files and folder after it."""
    then = f"cd {out} && sha256sum * && sync * && sync ."
    return ["sh", "-c", f"{shlex.join(curl)} && {then}"]


def _uploads(server: Server, bucket: s3.S3Server) -> list[Contest]:
    rclone = require_program("rclone", "rclone")
    remote = (
        f":s3,provider=Other,access_key_id={s3.KEY_ID},secret_access_key={s3.SECRET},"
        f'endpoint="{bucket.endpoint}",force_path_style=true:{bucket.bucket}'
    )
    ours = [sys.executable, "-c", UPLOAD, str(server.folder / "www/upload"), bucket.endpoint,
            bucket.bucket]  # fmt: skip
    theirs = [rclone, "copyto", "--ignore-times", "--config", "/dev/null",
              str(server.folder / "www/upload"), f"{remote}/theirs"]  # fmt: skip
    return [Contest("upload of 512 MiB", theirs, ours)]


UPLOAD = f"""
import hashlib, sys
from download_worker.s3.upload import S3Object, Upload
from download_worker.s3.bucket import Bucket
from download_worker.http.curl import ConnectionOptions
from download_worker.writer import Writer
from download_worker.egress.policy import EgressPolicy, parse_range
path, endpoint, name = sys.argv[1:]
keys = {{"AWS_ACCESS_KEY_ID": "{s3.KEY_ID}", "AWS_SECRET_ACCESS_KEY": "{s3.SECRET}"}}
connection = ConnectionOptions(EgressPolicy((parse_range("127.0.0.0/8"),)))
bucket = Bucket(name, endpoint, "us-east-1", keys, "keys", connection)
writer = Writer(Upload(bucket, S3Object("ours", None, 512 << 20)))
with open(path, "rb") as file:
    while chunk := file.read(512 * 1024):
        writer.write(chunk)
writer.commit(writer.finish())
writer.release(resumable=False)
"""


def _measure(title: str, contests: list[Contest], rounds: int, server: Server) -> None:
    environment = {name: text for name, text in os.environ.items() if "CA_BUNDLE" not in name}
    if title == "beside curl":
        environment[CA_FILE_VARIABLE] = str(server.folder / "ca.crt")
    usages: dict[tuple[str, str], list[Usage]] = defaultdict(list)
    for number in range(rounds):
        print(f"==> {title}: round {number + 1} of {rounds}", flush=True)
        for contest in contests:
            for side, argv in contest.commands():
                _prepare(server)
                usages[contest.name, side].append(run(argv, environment))
    for contest in contests:
        ours, theirs = (median(usages[contest.name, side]) for side in ("ours", "theirs"))
        same = usages[contest.name, "same"]
        print(
            f"{contest.name:32} ours {ours.seconds:7.3f} s   theirs {theirs.seconds:7.3f} s"
            f"   ratio {ours.seconds / theirs.seconds:5.2f}"
            f"   processor {ours.processor:5.2f} and {theirs.processor:5.2f} s"
            f"   machine busy {ours.busy:3.0%} and {theirs.busy:3.0%}"
            f"   peak RSS {ours.memory:4.0f} and {theirs.memory:4.0f} MB"
            + (f"   theirs with the same work {median(same).seconds:7.3f} s" if same else "")
        )


def _prepare(server: Server) -> None:
    shutil.rmtree(server.out)
    server.out.mkdir()
    memory = server.out / "memory"
    _fill(memory, bytes(MEBIBYTE), (server.folder / "www/large").stat().st_size // MEBIBYTE)
    memory.unlink()
    os.sync()


def _measure_start(rounds: int) -> None:
    """Print how long a Pod's process takes from its start to the first byte of its request."""
    taken: list[tuple[float, float]] = []
    for _ in range(rounds):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(60)
            url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
            environment = _environment(url)
            started = time.monotonic()
            with subprocess.Popen(RUN, env=environment, stdout=subprocess.DEVNULL) as process:
                connection, _ = listener.accept()
                connection.recv(1)
                taken.append((time.monotonic() - started, _processor_seconds(process.pid)))
                process.kill()
                connection.close()
    passed, worked = (statistics.median(column) * 1000 for column in zip(*taken, strict=True))
    name = "start to first byte of request"
    print(f"{name:32} ours {passed:4.0f} ms   {worked:4.0f} ms of the processor")


def _environment(url: str) -> dict[str, str]:
    """Return the environment that the operator gives a Pod that fetches *url*."""
    template = desired_state(url=url).manifest["spec"]["jobTemplate"]["spec"]["template"]
    (container,) = template["spec"]["containers"]
    variables = {item["name"]: item["value"] for item in container["env"] if "value" in item}
    own = {JOB_VARIABLE: "nightly-29923320", ALLOW_CIDRS_VARIABLE: "127.0.0.0/8"}
    return os.environ | variables | own


def _processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def _nginx(folder: Path, mebibytes: int) -> Iterator[Server]:
    nginx = require_program("nginx", "nginx-light")
    require_program("curl", "curl")
    (folder / "www/small").mkdir(parents=True)
    (folder / "t").mkdir()
    (folder / "out").mkdir()
    folder.chmod(0o755)
    block = os.urandom(MEBIBYTE)
    _fill(folder / "www/large", block, mebibytes)
    _fill(folder / "www/upload", block, 512)
    (folder / "www/tiny").write_bytes(block[:1024])
    for number in range(MANY):
        (folder / "www/small" / str(number)).write_bytes(block[:SMALL])
    Authority(folder).issue("tls", "localhost", hosts=("localhost",))
    http, https = free_ports(2)
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, http=http, https=https))
    process = subprocess.Popen([nginx, "-c", folder / "nginx.conf"], stderr=subprocess.DEVNULL)
    try:
        server = Server(folder, f"http://localhost:{http}", f"https://localhost:{https}")
        wait_for("nginx", _answers(f"{server.http}/tiny"))
        yield server
    finally:
        process.terminate()
        process.wait()


def _fill(path: Path, block: bytes, mebibytes: int) -> None:
    with path.open("wb") as file:
        for _ in range(mebibytes):
            file.write(block)


def _answers(url: str) -> Callable[[], bool]:
    command = ["curl", "--silent", "--fail", "--noproxy", "*", "--output", os.devnull, url]
    return lambda: subprocess.run(command, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(command.run(main))
