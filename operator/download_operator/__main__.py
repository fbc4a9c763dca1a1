"""``python -m download_operator``: run the operator."""

import asyncio
import gc
import logging
import sys

from download_kube.lease import LeaseLostError
from download_kube.login import NoClusterError
from download_operator.app import run
from download_operator.health import PortError
from download_operator.settings import Settings, help_text

GARBAGE = 20_000
"""New objects after which cycles are looked for; ten thousand schedules are half a million."""

USAGE = """python -m download_operator

Run the operator. KUBECONFIG or the Pod's service account says in which cluster. Settings come from
the environment:

"""


def main() -> int:
    """Run until a signal; return the exit code."""
    if {"-h", "--help"} & set(sys.argv[1:]):
        print(USAGE + help_text())
        return 0
    if sys.argv[1:]:
        print(f"{sys.argv[1]!r} is no argument; settings are variables: --help", file=sys.stderr)
        return 2
    try:
        settings = Settings.from_environment()
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("kopf").setLevel(logging.WARNING)
    # What is imported stays: the collector of cycles need not look through it again and again.
    gc.freeze()
    gc.set_threshold(GARBAGE)
    code = 0
    try:
        asyncio.run(run(settings))
    except* LeaseLostError as lost:
        logging.getLogger("download_operator").error("%s: ending", lost.exceptions[0])
        code = 1
    except* NoClusterError as unknown:
        print(f"no cluster: {unknown.exceptions[0]}", file=sys.stderr)
        code = 2
    except* PortError as taken:
        print(f"DOWNLOAD_OPERATOR_HEALTH_PORT: {taken.exceptions[0]}", file=sys.stderr)
        code = 2
    return code


if __name__ == "__main__":
    sys.exit(main())
