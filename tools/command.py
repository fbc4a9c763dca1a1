"""Run a command of `make`: errors are sentences, and an interrupt unwinds like an error."""

import signal
import sys
from collections.abc import Callable
from types import FrameType

from tools.errors import ToolError

INTERRUPTED = 130
"""Exit code of a command that Ctrl-C ended, as shells have it (128 + SIGINT)."""


class Terminated(KeyboardInterrupt):
    """SIGTERM arrived. Unlike Ctrl-C in a terminal, it reached this process only."""


def run(command: Callable[[], int | None]) -> int:
    """Run *command* and return the exit code of the process.

    SIGTERM interrupts the command as Ctrl-C does, so that its `with` and `finally` blocks remove
    what it has started.
    """
    signal.signal(signal.SIGTERM, _terminate)
    try:
        return command() or 0
    except ToolError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise Terminated
