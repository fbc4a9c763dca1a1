"""Numbers in Prometheus' text format. Pure."""

from collections.abc import Iterator, Mapping
from typing import Final

TEXT_FORMAT: Final = "text/plain; version=0.0.4; charset=utf-8"
"""Content-Type of it."""

Samples = Mapping[tuple[str, ...], float]
"""Numbers by the values of their labels."""


def family(name: str, kind: str, meaning: str, labels: tuple[str, ...], samples: Samples) -> str:
    """Return all samples of one name; *kind* is counter or gauge."""
    return "".join([head(name, kind, meaning), *lines(name, labels, samples)])


def head(name: str, kind: str, meaning: str) -> str:
    """Return what stands before the samples of one name."""
    return f"# HELP {name} {meaning}\n# TYPE {name} {kind}\n"


def lines(name: str, labels: tuple[str, ...], samples: Samples) -> Iterator[str]:
    """Yield a line for each sample."""
    for values, number in sorted(samples.items()):
        pairs = ",".join(f'{n}="{_escaped(v)}"' for n, v in zip(labels, values, strict=True))
        yield f"{name}{{{pairs}}} {float(number):.15g}\n" if pairs else f"{name} {number:.15g}\n"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
