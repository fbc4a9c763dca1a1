"""What a Pod loads before its first byte goes out."""

import os
import subprocess
import sys

SELDOM = (
    "argparse",
    "asyncio",
    "base64",
    "download_worker.s3.upload",
    "download_worker.cli",
    "download_worker.egress.proxy",
    "email",
    "http",
    "ssl",
    "tempfile",
)


def test_what_few_attempts_need_is_loaded_by_those_alone() -> None:
    program = "import sys; import download_worker.__main__; print(*sys.modules)"
    command = [sys.executable, "-c", program]
    # coverage would begin in it, too, and load nearly all of them
    environment = {n: text for n, text in os.environ.items() if not n.startswith("COVERAGE")}
    started = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert not set(SELDOM) & set(started.stdout.split())
