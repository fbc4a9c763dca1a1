"""The folder of everything that is compiled, built or running, and the locks in it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "download-operator"


@contextmanager
def only_one(lock: Path) -> Iterator[None]:
    """Keep other processes out of blocks with the same lock file while the block runs."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
