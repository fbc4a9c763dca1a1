"""`make test`: its commands, and the end of its processes."""

import subprocess
import sys
from pathlib import Path

from tools import process_tree, suite

LEAVE_AN_ORPHAN = """
import subprocess
from tools import process_tree

process_tree._adopt_orphans()
subprocess.run(["sh", "-c", "sleep 60 > /dev/null & echo $!"], check=True)
process_tree.end_descendants(seconds=0.2)
"""


def test_whole_suite_needs_the_coverage_of_the_settings() -> None:
    assert "--fail-under=0" not in suite.report_command([])


def test_part_of_the_suite_needs_no_coverage() -> None:
    assert "--fail-under=0" in suite.report_command(["tests/unit", "-x"])


def test_arguments_go_to_pytest() -> None:
    assert suite.test_command(["tests/unit", "-x"])[-2:] == ["tests/unit", "-x"]


def test_exit_code_of_the_command_is_returned() -> None:
    assert process_tree.run([sys.executable, "-c", "raise SystemExit(3)"]) == 3


def test_orphan_is_killed_after_the_time_of_grace() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LEAVE_AN_ORPHAN],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert not Path(f"/proc/{done.stdout.strip()}").exists()
