"""`python -m tests.prepare`: have everything compiled and built before the tests' clocks run."""

import sys

from download_worker.browser import PROGRAM
from tests import images
from tests.cluster import binaries
from tests.cluster.system import MissingError, require_program
from tests.images.engine import BuildFailedError


def main() -> int:
    """Prepare; return the exit code."""
    programs = [name for family in binaries.FAMILIES.values() for name in family.packages]
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
