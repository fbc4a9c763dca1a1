"""`python -m tools.prepare`: compile and build what the tests need, before their clocks run."""

import sys

from download_worker.formats.chromium import PROGRAM
from tools import command, images
from tools.cluster import binaries, host


def main() -> None:
    """Compile the programs while the images are built in a process of their own."""
    host.require_program(PROGRAM, PROGRAM)
    host.unpack_program("promtool", "prometheus")
    programs = [*binaries.MODULES["cluster"].packages]
    if host.is_root():  # Only root can create a node, and runc needs C headers.
        programs.append("runc")
    with images.building(*images.TARGETS, *images.OPTIONAL):
        binaries.ensure(*programs)


if __name__ == "__main__":
    sys.exit(command.run(main))
