"""The operator as kopf sees it: how the process logs in, starts, stops, and reports its health.

kopf runs the process: signals, start and stop, login, its own connection to the API server. It has
no handlers of resources here. The watches of schedules, CronJobs, Jobs and Pods are our own
(:mod:`download_kube.reflector`), for two reasons:

- kopf hands over events one by one. It does not say when a first list is complete, nor what
  disappeared between a dropped watch and the next list. Without that, a Job that has not been
  observed yet cannot be told from a deleted one, and a run would be lost or counted twice.
- With all four watches in kopf the operator reached 0.73 of the speed of a tuned Go controller,
  with only the schedules' watch in kopf 0.84, with none 0.98
  (docs/design/2026-11-own-reflector.md).

``python -m download_operator`` starts these handlers, and so does::

    kopf run --standalone --all-namespaces -m download_operator.handlers
"""

from collections.abc import Iterator
from contextlib import AsyncExitStack
from itertools import count
from typing import Any

import kopf

from download_kube import login
from download_operator.app import running_operator
from download_operator.reconciling.work_queue import retry_delay
from download_operator.settings import read_settings


@kopf.on.login()
async def log_in(**_: Any) -> kopf.ConnectionInfo:
    """Give kopf the same credentials that our own requests use."""
    return login.login()


@kopf.on.startup(errors=kopf.ErrorsMode.PERMANENT)
async def start(settings: kopf.OperatorSettings, memo: kopf.Memo, **_: Any) -> None:
    """Start the operator; ``memo.settings`` are its settings if they were read before."""
    configure_kopf(settings)
    memo.exit_stack = AsyncExitStack()
    memo.operator = await memo.exit_stack.enter_async_context(
        running_operator(memo.get("settings") or read_settings())
    )


@kopf.on.cleanup()
async def stop(memo: kopf.Memo, **_: Any) -> None:
    """Stop the operator.

    No task of ours may be left then: kopf waits five seconds for every task that is younger than
    itself.
    """
    await memo.exit_stack.aclose()


@kopf.on.probe(id="healthy")
async def probe(memo: kopf.Memo, **_: Any) -> bool:
    """Answer ``kopf run --liveness=...`` with what our own ``/healthz`` says."""
    if reason := memo.operator.monitor.unhealthy_reason():
        raise kopf.PermanentError(reason)
    return True


def configure_kopf(settings: kopf.OperatorSettings) -> None:
    """Turn off what we do not use: Events, peering, and scans for namespaces and resources."""
    settings.posting.enabled = False
    settings.peering.standalone = True
    settings.scanning.disabled = True
    settings.networking.request_timeout = 30
    settings.networking.error_backoffs = EndlessBackoffs()


class EndlessBackoffs:
    """Growing, jittered pauses between kopf's attempts at one request.

    After the last pause kopf gives up and ends the process, so there is no last one: the API server
    may be away for longer than a minute.
    """

    def __iter__(self) -> Iterator[float]:
        """Iterate over the pauses in seconds."""
        return map(retry_delay, count(1))
