"""Which CA certificates are trusted."""

from pathlib import Path

import pytest

from download_worker.http import ca_certificates
from download_worker.http.ca_certificates import find_ca_file, find_ca_folder


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A system with the second of two known bundles."""
    bundle = tmp_path / "system.crt"
    bundle.touch()
    monkeypatch.setattr(ca_certificates, "CA_FILES", (str(tmp_path / "none"), str(bundle)))
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    return bundle


def test_first_bundle_that_exists_is_used(system: Path) -> None:
    assert find_ca_file() == str(system)


def test_bundle_of_the_environment_comes_first(
    system: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "own.crt"
    monkeypatch.setenv("SSL_CERT_FILE", str(own))
    assert find_ca_file() == str(system)
    own.touch()
    assert find_ca_file() == str(own)


def test_system_may_have_no_certificates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.setattr(ca_certificates, "CA_FILES", (str(tmp_path / "none"),))
    monkeypatch.setattr(ca_certificates, "CA_FOLDER", str(tmp_path / "none"))
    assert find_ca_file() is None
    assert find_ca_folder() is None


def test_folder_of_the_system_is_trusted_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ca_certificates, "CA_FOLDER", str(tmp_path))
    assert find_ca_folder() == str(tmp_path)
