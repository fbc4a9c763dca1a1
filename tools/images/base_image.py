"""debian:trixie-slim, made of the same packages and under the same name where no pull works."""

import tempfile
from pathlib import Path

from tools.cache import CACHE
from tools.cluster.host import require_program, run, say
from tools.cluster.image_archive import write_archive

REFERENCE = "debian:trixie-slim"
PACKAGES = "python3,ca-certificates"
_LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/info/*", "/usr/share/locale/*")
"""Files that the official slim image leaves out as well."""


def base_archive() -> Path:
    """Return the base image as an archive. Making it takes half a minute, once.

    Raises:
        MissingError: mmdebstrap is missing and cannot be installed.
        ToolError: mmdebstrap failed.
    """
    path = CACHE / "images" / "debian-trixie-slim.tar"
    if path.exists():
        return path
    mmdebstrap = require_program("mmdebstrap", "mmdebstrap")
    say(f"making {REFERENCE} from Debian's packages")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        layer, unfinished = Path(folder) / "layer.tar", path.with_suffix(".unfinished")
        run(
            *(mmdebstrap, "--quiet", "--variant=minbase", f"--include={PACKAGES}"),
            *(f"--dpkgopt=path-exclude={pattern}" for pattern in _LEFT_OUT),
            *("trixie", str(layer)),
        )
        write_archive(unfinished, REFERENCE, layer.read_bytes(), {"Cmd": ["/bin/sh"]})
        unfinished.rename(path)
    return path
