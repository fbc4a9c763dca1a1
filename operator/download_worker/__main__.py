"""``python -m download_worker``: ``run`` in a Pod, ``fetch`` on the command line."""

import logging
import os
import sys

from download_schedule.attempt.variables import JSON_LOG_FORMAT, LOG_FORMAT_VARIABLE
from download_worker.attempt import run
from download_worker.progress import JSONFormatter


def main() -> int:
    """Do what the command line says; return the exit code."""
    if sys.argv[1:] == ["run"]:
        handler = logging.StreamHandler(sys.stdout)
        if os.environ.get(LOG_FORMAT_VARIABLE) == JSON_LOG_FORMAT:
            handler.setFormatter(JSONFormatter())
        logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[handler])
        return run(os.environ)
    from download_worker import cli

    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
