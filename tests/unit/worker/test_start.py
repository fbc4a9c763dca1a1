"""What a Pod loads before its first byte goes out."""

import importlib.util
import subprocess
import sys

import pytest

SELDOM_NEEDED = (
    "aiohappyeyeballs",
    "argparse",
    "asyncio",
    "base64",
    "ctypes",
    "download_schedule.attempt.exclusion",
    "download_schedule.attempt.template",
    "download_worker.cli",
    "download_worker.egress.http1",
    "download_worker.egress.proxy",
    "download_worker.egress.upstream",
    "download_worker.exclusion",
    "download_worker.formats.article",
    "download_worker.formats.article_child",
    "download_worker.formats.charset",
    "download_worker.formats.declarations",
    "download_worker.formats.isolation",
    "download_worker.formats.pdf",
    "download_worker.formats.web_encodings",
    "download_worker.http.decompressors",
    "download_worker.s3.client",
    "download_worker.s3.upload",
    "download_worker.templates",
    "download_worker.zones",
    "email",
    "h11",
    "http",
    "obstore",
    "ssl",
    "tempfile",
    "trafilatura",
    "tzdata",
    "webencodings",
    "zoneinfo",
)
"""Modules that only some attempts need, and that take time to load."""


@pytest.mark.usefixtures("uncovered")
def test_seldom_needed_modules_are_not_loaded_at_start() -> None:
    """Coverage would start in the process too, and load nearly all of them."""
    program = "import sys; import download_worker.__main__; print(*sys.modules)"
    command = [sys.executable, "-c", program]

    started = subprocess.run(command, capture_output=True, text=True, check=True)

    assert not set(SELDOM_NEEDED) & set(started.stdout.split())


@pytest.mark.parametrize("name", SELDOM_NEEDED)
def test_seldom_needed_module_exists(name: str) -> None:
    """A module that was renamed would otherwise never be found among the loaded ones."""
    assert importlib.util.find_spec(name)
