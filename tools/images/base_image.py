"""debian:trixie-slim where it cannot be pulled: made of the same packages, under the same name."""

import subprocess
import tempfile
from pathlib import Path

from tools.cluster.binaries import CACHE
from tools.cluster.host import require_program, say
from tools.cluster.image_archive import write_archive

REFERENCE = "debian:trixie-slim"
PACKAGES = "python3,ca-certificates"
_LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/info/*", "/usr/share/locale/*")
"""As the official slim image leaves out."""


def base_archive() -> Path:
    """The base image as an archive, made once (half a minute).

    Raises:
        MissingError: mmdebstrap is not there and cannot be installed.
    """
    path = CACHE / "images" / "debian-trixie-slim.tar"
    if path.exists():
        return path
    mmdebstrap = require_program("mmdebstrap", "mmdebstrap")
    say(f"making {REFERENCE} from Debian's packages")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        layer, unfinished = Path(folder) / "layer.tar", path.with_suffix(".unfinished")
        subprocess.run(
            [
                *(mmdebstrap, "--quiet", "--variant=minbase", f"--include={PACKAGES}"),
                *(f"--dpkgopt=path-exclude={pattern}" for pattern in _LEFT_OUT),
                *("trixie", str(layer)),
            ],
            check=True,
        )
        write_archive(unfinished, REFERENCE, layer.read_bytes(), {"Cmd": ["/bin/sh"]})
        unfinished.rename(path)
    return path
