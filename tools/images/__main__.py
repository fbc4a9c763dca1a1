"""`python -m tools.images [TARGET…]`: build the images and say where their archives are."""

import subprocess
import sys

from tools.cluster.host import MissingError
from tools.images.build import OPTIONAL, TARGETS, build, reference
from tools.images.engine import BuildFailedError


def main() -> int:
    """Build the targets named, or all but the optional ones; return the exit code."""
    known = (*TARGETS, *OPTIONAL)
    unknown = set(sys.argv[1:]) - set(known)
    if unknown:
        print(f"{min(unknown)} is no image: write {', '.join(known)}", file=sys.stderr)
        return 2
    try:
        for target, archive in build(*sys.argv[1:]).items():
            print(f"{reference(target)}\t{archive}")
    except (MissingError, BuildFailedError, subprocess.CalledProcessError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
