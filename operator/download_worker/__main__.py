"""``python -m download_worker``: ``run`` in a Pod, ``fetch`` by hand."""

import logging
import os
import sys

from download_worker.attempt import run
from download_worker.progress import JSONFormatter


def main() -> int:
    """Obey the command line; return the exit code."""
    if sys.argv[1:] == ["run"]:
        handler = logging.StreamHandler(sys.stdout)
        if os.environ.get("DOWNLOAD_WORKER_LOG_FORMAT") == "json":
            handler.setFormatter(JSONFormatter())
        logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[handler])
        return run(os.environ)
    from download_worker import cli

    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
