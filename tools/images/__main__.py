"""`python -m tools.images [TARGET…]`: build the images and print where their archives are."""

import argparse
import sys

from tools import command
from tools.images.build import OPTIONAL, TARGETS, build, reference


def main() -> None:
    """Build the targets of the command line, or all but the optional ones."""
    parser = argparse.ArgumentParser(prog="python -m tools.images", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS + OPTIONAL))
    targets = parser.parse_args().targets
    unknown = set(targets) - {*TARGETS, *OPTIONAL}
    if unknown:
        parser.error(f"{min(unknown)} is not an image: write {', '.join(TARGETS + OPTIONAL)}")
    for target, archive in build(*targets).items():
        print(f"{reference(target)}\t{archive}")


if __name__ == "__main__":
    sys.exit(command.run(main))
