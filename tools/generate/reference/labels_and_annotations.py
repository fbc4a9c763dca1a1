"""docs/reference/labels-and-annotations.md, from the constants of all packages. Pure."""

import re
from collections.abc import Iterable
from typing import Final

from tools.generate.reference.constants import Constant
from tools.generate.reference.markdown import code, page, sentence, table

_KEY: Final = re.compile(r"(downloads\.dev|app\.kubernetes\.io|batch\.kubernetes\.io)/[a-z-]+")
REPORTER: Final = "downloads.dev/download-operator"
"""Names us in Events; it is the key of nothing."""

_INTRODUCTION: Final = """
Keys with `downloads.dev/` are ours. You may write `downloads.dev/run-requested`; leave the others
alone. The keys of Kubernetes that the operator reads or writes are listed as well.
"""


def render(constants: Iterable[Constant]) -> str:
    """Return the page.

    Raises:
        ValueError: a key has no docstring.
    """
    keys = [key for key in constants if _KEY.fullmatch(key.value) and key.value != REPORTER]
    for key in keys:
        if not key.docstring:
            raise ValueError(f"{key.name} ({key.value}) needs a docstring: where it is, and why")
    labels = [key for key in keys if key.name.endswith("_LABEL")]
    annotations = [key for key in keys if key not in labels]
    return page(
        "Labels and annotations",
        _INTRODUCTION,
        "## Labels",
        _table(labels),
        "## Annotations",
        _table(annotations),
    )


def _table(keys: Iterable[Constant]) -> str:
    rows = {(code(key.value), sentence(key.docstring)) for key in keys}
    return table(("Key", "Meaning"), sorted(rows))
