"""`python -m tools.prepare`: have everything compiled and built before the tests' clocks run."""

import sys

from download_worker.formats.chromium import PROGRAM
from tools import images
from tools.cluster import binaries
from tools.cluster.host import MissingError, is_root, require_program
from tools.images.engine import BuildFailedError


def main() -> int:
    """Prepare; return the exit code."""
    # What needs C headers is a node's, and a node needs root.
    families = [made for made in binaries.FAMILIES.values() if not made.headers or is_root()]
    programs = [name for family in families for name in family.packages]
    try:
        require_program(PROGRAM, PROGRAM)
        binaries.ensure(*programs)
        images.build()
    except (binaries.BuildError, BuildFailedError, MissingError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
