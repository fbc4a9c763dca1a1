"""``python -m download_operator``: run the operator."""

import asyncio
import logging
import sys

from download_operator.operator import run
from download_operator.settings import Settings, help_text

USAGE = """python -m download_operator

Run the operator. KUBECONFIG or the Pod's service account says in which cluster. Settings come from
the environment:

"""


def main() -> int:
    """Run until a signal; return the exit code."""
    if {"-h", "--help"} & set(sys.argv[1:]):
        print(USAGE + help_text())
        return 0
    try:
        settings = Settings.from_environment()
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("kopf").setLevel(logging.WARNING)
    asyncio.run(run(settings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
