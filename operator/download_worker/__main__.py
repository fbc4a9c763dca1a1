"""``python -m download_worker``: ``run`` in a Pod, ``fetch`` by hand."""

import logging
import os
import sys

from download_worker.progress import JSONFormatter
from download_worker.run import run


def main() -> int:
    """Obey the command line; return the exit code."""
    if sys.argv[1:] == ["run"]:
        handler = logging.StreamHandler(sys.stdout)
        if os.environ.get("DOWNLOAD_WORKER_LOG_FORMAT") == "json":
            handler.setFormatter(JSONFormatter())
        logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[handler])
        return run(os.environ)
    from download_worker import by_hand

    return by_hand.main()


if __name__ == "__main__":
    sys.exit(main())
