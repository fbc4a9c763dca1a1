"""Image archives of a few files, in the format of `docker save`."""

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def write_image(path: Path, reference: str, files: Mapping[str, bytes], entrypoint: str) -> None:
    """Write an image with a few programs.

    Args:
        path: Path of the archive.
        reference: Name and tag of the image.
        files: Content of each file by its path in the image; all are executable.
        entrypoint: Path of the program that the image runs.
    """
    write_archive(path, reference, _tar(files, mode=0o755), {"Entrypoint": [entrypoint]})


def write_archive(path: Path, reference: str, layer: bytes, config: Mapping[str, Any]) -> None:
    """Write an image of one layer, which is a tar file, with a run-time configuration."""
    digest = hashlib.sha256(layer).hexdigest()
    image_config = {
        "architecture": ARCHITECTURES.get(platform.machine(), platform.machine()),
        "os": "linux",
        "config": dict(config),
        "history": [{"created_by": "download-operator"}],
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [reference], "Layers": ["layer.tar"]}]
    parts = {
        "manifest.json": json.dumps(manifest).encode(),
        "config.json": json.dumps(image_config).encode(),
        "layer.tar": layer,
    }
    path.write_bytes(_tar(parts, mode=0o644))


def _tar(files: Mapping[str, bytes], mode: int) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name.lstrip("/"))
            entry.size, entry.mode = len(content), mode
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
