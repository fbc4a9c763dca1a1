"""`python -m tools.suite [ARGUMENT…]`: prepare, run the tests, check their coverage.

The arguments go to pytest. With any, not all tests are expected to run, and any coverage will do.
"""

import subprocess
import sys
from collections.abc import Sequence

from tools import command, prepare, process_tree

COVERAGE = (sys.executable, "-m", "coverage")
PROCESSES = 3
"""One more than the processors of a small machine: two of them wait for real Pods and ticks."""


def main() -> int:
    """Run the tests and return the exit code."""
    arguments = sys.argv[1:]
    prepare.main()
    subprocess.run([*COVERAGE, "erase"], check=True)
    failed = process_tree.run(test_command(arguments))
    if failed:
        return failed
    subprocess.run([*COVERAGE, "combine", "--quiet"], check=True)
    return subprocess.run(report_command(arguments), check=False).returncode


def test_command(arguments: Sequence[str]) -> list[str]:
    """Return the command that runs the tests."""
    distribution = [f"--numprocesses={PROCESSES}", "--no-loadscope-reorder"]
    return [*COVERAGE, "run", "-m", "pytest", *distribution, *arguments]


def report_command(arguments: Sequence[str]) -> list[str]:
    """Return the command that fails if too little was covered by a run with these arguments."""
    return [*COVERAGE, "report", *(["--fail-under=0"] if arguments else [])]


if __name__ == "__main__":
    sys.exit(command.run(main))
