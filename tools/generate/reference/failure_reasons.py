"""docs/reference/failure-reasons.md, from the worker's reasons and the operator's. Pure."""

from collections.abc import Collection, Iterable
from typing import Final

from tools.generate.reference.constants import Constant
from tools.generate.reference.markdown import code, page, sentence, table

PREFIX: Final = "Reason: "
"""How the docstring of a reason begins that the worker does not report."""

_INTRODUCTION: Final = """
A failed run has a `reason` and a `message` in its [history](../guides/runs.md#read-the-history).
The message is a sentence about the very case. If a run completes after failed attempts, `reason`
and `message` are those of the last attempt that failed.
"""
_RETRIES: Final = """
A reason that is retried leads to another attempt, as long as `spec.backoffLimit` allows one. Any
other fails the run at once, because the next attempt would fail in the same way.
"""
_OTHERS: Final = """
The operator itself reports these. Any other word is Kubernetes' own about the container, the Pod
or the Job, such as `OOMKilled`, `Evicted` or `ErrImagePull`.
"""


def render(
    worker: Iterable[Constant],
    permanent: Collection[str],
    depending: dict[str, str],
    operator: Iterable[Constant],
) -> str:
    """Return the page.

    Args:
        worker: reasons of the worker.
        permanent: those that are never retried.
        depending: those that are retried in some cases, with the cases.
        operator: constants of the operator; those with :data:`PREFIX` are reasons.
    """
    rows = [
        (code(reason.value), _retried(reason.value, permanent, depending), *_split(reason))
        for reason in sorted(worker, key=lambda reason: reason.value)
    ]
    others = [
        (code(constant.value), sentence(constant.docstring.removeprefix(PREFIX)))
        for constant in operator
        if constant.docstring.startswith(PREFIX)
    ]
    return page(
        "Failure reasons",
        _INTRODUCTION,
        "## Reasons of the worker",
        _RETRIES,
        table(("Reason", "Retried", "Meaning", "What to do"), rows),
        "## Reasons of the operator and of Kubernetes",
        _OTHERS,
        table(("Reason", "Meaning"), sorted(others)),
    )


def statuses(codes: Collection[int]) -> str:
    """Return HTTP statuses in a few words, such as `429, 5xx`."""
    classes = [n for n in range(1, 6) if set(range(n * 100, n * 100 + 100)) <= set(codes)]
    single = [str(status) for status in sorted(codes) if status // 100 not in classes]
    return ", ".join([*single, *(f"{n}xx" for n in classes)])


def _retried(reason: str, permanent: Collection[str], depending: dict[str, str]) -> str:
    return depending.get(reason) or ("no" if reason in permanent else "yes")


def _split(reason: Constant) -> tuple[str, str]:
    """Return the first sentence of the docstring, and the rest."""
    meaning, dot, advice = reason.docstring.partition(". ")
    return meaning + dot.strip(), advice
