"""``python -m download_worker.formats.article_child``: extract the article of one page.

The other side is :mod:`download_worker.formats.isolation`.
"""

import json
import logging
import re
import resource
import sys
from pathlib import Path
from typing import IO, Any, Final

from download_worker.errors import DownloadError, Reason
from download_worker.formats.charset import decode_page
from download_worker.formats.isolation import EXIT_OUT_OF_MEMORY, Limits
from download_worker.formats.links import resolve_links
from download_worker.http.messages import Response

KILL_SECONDS: Final = 5
"""Processor time after which a process is killed that does not end with SIGXCPU."""
MAX_FAILURE_BYTES: Final = 64 * 1024
"""Longest first line of the outcome."""

_NOT_IN_XML: Final = re.compile(
    r"&#(?:0*(?:[1-8]|1[124-9]|2[0-9]|3[01]|6553[45])(?![0-9])"
    r"|x0*(?:[1-8bcef]|1[0-9a-f]|fff[ef])(?![0-9a-f]));?",
    re.IGNORECASE,
)
"""References to characters that XML cannot hold, and that browsers do not show."""


def main(task: IO[bytes], outcome: IO[bytes]) -> int:
    """Read the task, write the outcome, and return the exit code."""
    order = json.loads(task.readline())
    limits = Limits(*order["limits"])
    apply_limits(limits)
    failure: dict[str, str] = {}
    content = b""
    try:
        content = extract(Response(**order["response"]), task.read(), order["output_format"])
        if len(content) > limits.output_bytes:
            raise _too_much_text(limits)
    except DownloadError as error:
        failure, content = {"reason": error.reason, "message": str(error)}, b""
    except (MemoryError, RecursionError):
        return EXIT_OUT_OF_MEMORY
    except Exception as error:
        failure = {"reason": Reason.INTERNAL_ERROR, "message": repr(error)}
    if is_memory_used_up(limits):
        return EXIT_OUT_OF_MEMORY
    outcome.write(json.dumps(failure).encode() + b"\n" + content)
    return 0


def apply_limits(limits: Limits) -> None:
    """Limit what this process can use. It cannot raise the limits again."""
    resource.setrlimit(resource.RLIMIT_AS, (limits.memory_bytes, limits.memory_bytes))
    cpu = limits.cpu_seconds
    resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu + KILL_SECONDS))
    file = limits.output_bytes + MAX_FAILURE_BYTES
    resource.setrlimit(resource.RLIMIT_FSIZE, (file, file))


def is_memory_used_up(limits: Limits, status: Path = Path("/proc/self/status")) -> bool:
    """Return whether an allocation may have failed, with the article cut there.

    trafilatura catches MemoryError as it does any other exception, and libxml2 cuts the page where
    its memory ends. So whoever came close to the limit has failed.
    """
    (peak,) = re.findall(r"^VmPeak:\s*(\d+) kB$", status.read_text(), re.MULTILINE)
    return int(peak) * 1024 > limits.memory_bytes * 7 // 8


def extract(response: Response, page: bytes, output_format: str) -> bytes:
    """Return the article of *page*.

    Raises:
        DownloadError: the page has none.
    """
    import trafilatura

    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)
    tree: Any = trafilatura.load_html(_NOT_IN_XML.sub("", decode_page(response, page)))
    if tree is None:
        raise _no_article("write format html or raw")
    without_scripts = list(tree.iter("noscript"))
    for element in without_scripts:
        element.clear(keep_tail=True)  # a browser that runs scripts does not show it
    resolve_links(tree, response.document_url)
    article: Any = trafilatura.extract(
        tree,
        url=response.document_url,
        output_format=output_format,
        include_links=output_format == "markdown",
    )
    if not article:
        raise _no_article(
            "write format pdf, which runs its scripts, or html or raw"
            if without_scripts
            else "write format html or raw"
        )
    return str(article).encode() + b"\n"


def _no_article(advice: str) -> DownloadError:
    return DownloadError(Reason.NO_ARTICLE, f"No article was found in the page: {advice}.")


def _too_much_text(limits: Limits) -> DownloadError:
    return DownloadError(
        Reason.TOO_COMPLEX,
        f"The page's article has more than {limits.output_bytes} bytes: write format html or raw.",
    )


if __name__ == "__main__":
    sys.exit(main(sys.stdin.buffer, sys.stdout.buffer))
