"""``python -m download_operator``: run the operator."""

import gc
import logging
import sys
import warnings
from typing import Final

import kopf

import download_operator.handlers  # noqa: F401 - its decorators register the handlers with kopf
from download_kube.login import NoClusterError
from download_operator.health import PortError
from download_operator.settings import PREFIX, Settings, help_text, read_settings

GC_THRESHOLD: Final = 20_000
"""New objects after which Python looks for cycles. Ten thousand schedules are half a million
objects, so the default of 700 would have it look all the time."""

USAGE: Final = """python -m download_operator

Run the operator. KUBECONFIG or the Pod's service account determines the cluster. Settings are
environment variables:

"""

EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2


def main() -> int:
    """Run until a signal; return the exit code."""
    if {"-h", "--help"} & set(sys.argv[1:]):
        print(USAGE + help_text())
        return 0
    if sys.argv[1:]:
        print(
            f"{sys.argv[1]!r} is not an option; settings are environment variables, see --help",
            file=sys.stderr,
        )
        return EXIT_USAGE
    try:
        settings = read_settings()
    except ValueError as error:
        print(error, file=sys.stderr)
        return EXIT_USAGE
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("kopf").setLevel(logging.WARNING)
    # If the start fails, kopf.run raises the error, which is reported below in one line. kopf also
    # logs it, and never awaits the login that was to follow.
    logging.getLogger("kopf.activities").setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", "coroutine 'authenticator' was never awaited", RuntimeWarning)
    gc.freeze()  # imported modules stay, so Python need not look for cycles in them
    gc.set_threshold(GC_THRESHOLD)
    return _run(settings)


def _run(settings: Settings) -> int:
    memo = kopf.Memo(settings=settings)
    try:
        kopf.run(
            memo=memo,
            standalone=True,
            clusterwide=True,
            # By default kopf asks the system for a user name, which a container does not have.
            # The type of an identity is private to kopf.
            identity="download-operator",  # type: ignore[arg-type]
        )
    except Exception as error:
        # A handler failed. kopf raises an error of its own from that of the handler.
        match error.__cause__:
            case NoClusterError() as cause:
                print(f"no cluster: {cause}", file=sys.stderr)
            case PortError() as cause:
                print(f"{PREFIX}HEALTH_PORT: {cause}", file=sys.stderr)
            case _:
                raise
        return EXIT_USAGE
    operator = memo.get("operator")  # missing if the signal came before the start
    return EXIT_FAILED if operator and operator.has_failed else 0


if __name__ == "__main__":
    sys.exit(main())
