"""Every shell block of docs/guides/scheduling.md prints the block below it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
GUIDE = (ROOT / "docs" / "guides" / "scheduling.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```\n```text\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)


def test_every_shell_block_has_its_output() -> None:
    assert len(BLOCKS) == GUIDE.count("```sh") >= 4


@pytest.mark.parametrize(("commands", "output"), BLOCKS)
def test_shell_block_prints_its_output(commands: str, output: str) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-eu", "-c", commands],
        env={**os.environ, "PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout == output
