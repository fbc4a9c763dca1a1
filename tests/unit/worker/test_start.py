"""What a Pod loads before its first byte goes out."""

import subprocess
import sys

SELDOM = (
    "argparse",
    "asyncio",
    "base64",
    "download_worker.bucket",
    "download_worker.by_hand",
    "download_worker.gate",
    "email",
    "http",
    "ssl",
    "tempfile",
)


def test_what_few_attempts_need_is_loaded_by_those_alone() -> None:
    program = "import sys; import download_worker.__main__; print(*sys.modules)"
    command = [sys.executable, "-c", program]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert not set(SELDOM) & set(loaded)
