"""`python -m tests.support.fork_server SOCKET MODULE…`: fork processes that run Python programs.

The modules are imported once, before the first fork. `tests/support/forked.py` writes the orders.
"""

import gc
import importlib
import json
import os
import runpy
import socket
import struct
import sys
import time
import types
from contextlib import suppress
from pathlib import Path
from typing import Any

COVERAGE = "COVERAGE_OF_FORKS"
"""Variable with which a process measures its coverage: what coverage.py takes from a variable that
makes every interpreter measure it."""
LENGTH = struct.Struct("!Q")
"""Before an order, which is JSON. The response is the id of the process."""


def main() -> None:
    """Import the modules, take orders until the socket is closed, and be each of the children."""
    with socket.socket(fileno=int(sys.argv[1])) as connection:
        for module in sys.argv[2:]:
            importlib.import_module(module)
        assert len([*Path("/proc/self/task").iterdir()]) == 1, "a thread does not survive a fork"
        gc.collect()
        gc.freeze()
        order = None
        with suppress(KeyboardInterrupt):  # Ctrl-C is for the tests, which then close the socket.
            order = _take_orders(connection)
    if order is not None:
        _run(order)


def _take_orders(connection: socket.socket) -> dict[str, Any] | None:
    """Return the order of this process in a child, and None when there are no more orders."""
    while True:
        head, files, _, _ = socket.recv_fds(connection, LENGTH.size, 3)
        if not head:
            return None
        order = json.loads(_receive(connection, LENGTH.unpack(head)[0]))
        reader, writer = os.pipe()
        between = os.fork()
        if not between:
            parent = os.getpid()
            child = os.fork()
            if not child:
                while os.getppid() == parent:
                    time.sleep(0.001)
                for number, file in enumerate(files):
                    os.dup2(file, number)
                    os.close(file)
                os.close(reader)
                os.close(writer)
                return dict(order)
            os.write(writer, LENGTH.pack(child))
            os._exit(0)
        # Now the child is one of the process that gave the order, the next subreaper. Before, that
        # process could not wait for it.
        os.waitpid(between, 0)
        connection.sendall(os.read(reader, LENGTH.size))
        for file in (reader, writer, *files):
            os.close(file)


def _receive(connection: socket.socket, size: int) -> bytes:
    pieces = b""
    while len(pieces) < size:
        piece = connection.recv(size - len(pieces))
        if not piece:
            raise EOFError
        pieces += piece
    return pieces


def _run(order: dict[str, Any]) -> None:
    """Do what `python -m` or `python -c` does after the start of the interpreter."""
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    time.tzset()
    if COVERAGE in os.environ:
        os.environ["COVERAGE_PROCESS_CONFIG"] = os.environ.pop(COVERAGE)
        importlib.import_module("coverage").process_startup()
        del os.environ["COVERAGE_PROCESS_CONFIG"]
    kind, program, *arguments = order["arguments"]
    sys.argv[:] = [kind, *arguments]
    if kind == "-m":
        sys.path[0] = order["folder"]
        runpy.run_module(program, run_name="__main__", alter_sys=True)
    else:
        sys.path[0] = ""
        sys.modules["__main__"] = types.ModuleType("__main__")
        exec(compile(program, "<string>", "exec"), vars(sys.modules["__main__"]))


if __name__ == "__main__":
    main()
