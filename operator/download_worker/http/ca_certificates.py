"""Find the CA certificates that this system trusts."""

import os
from pathlib import Path
from typing import Final

from download_schedule.attempt.variables import CA_FILE_VARIABLE

CA_FILES: Final = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora
    "/etc/ssl/cert.pem",  # Alpine, BSD, macOS
)
CA_FOLDER: Final = "/etc/ssl/certs"
"""Folder of the system's certificates, trusted beside a file of the user's own."""


def find_ca_file() -> str | None:
    """Return the bundle that the environment names if it exists, otherwise the system's."""
    paths = (os.environ.get(CA_FILE_VARIABLE), *CA_FILES)
    return next((path for path in paths if path and Path(path).is_file()), None)


def find_ca_folder() -> str | None:
    """Return the folder of the system's certificates, if there is one."""
    return CA_FOLDER if Path(CA_FOLDER).is_dir() else None
