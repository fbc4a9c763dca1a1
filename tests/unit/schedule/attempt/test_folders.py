"""The descent into a shared volume, which the worker and the API have in common."""

import os
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from download_schedule.attempt.folders import is_confined, open_folder, own_folder
from download_schedule.attempt.template import Times, render


def open_path(root: Path, path: str, *, create: bool = False) -> Path:
    """Return where the opened folder really is."""
    folder = open_folder(root, path.split("/") if path else [], create=create)
    try:
        return Path(f"/proc/self/fd/{folder}").readlink()
    finally:
        os.close(folder)


def test_existing_folder_is_opened(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    assert open_path(tmp_path, "a/b") == tmp_path / "a/b"
    assert open_path(tmp_path, "") == tmp_path


def test_missing_folder_is_created_on_request_only(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_path(tmp_path, "a/b")
    assert not (tmp_path / "a").exists()
    assert open_path(tmp_path, "a/b", create=True) == tmp_path / "a/b"


@pytest.mark.parametrize("create", [True, False])
@pytest.mark.parametrize("path", ["link", "link/a", "real/link", "real/link/a"])
def test_symbolic_link_is_not_followed(tmp_path: Path, path: str, create: bool) -> None:
    outside, root = tmp_path / "outside", tmp_path / "root"
    (outside / "a").mkdir(parents=True)
    (root / "real").mkdir(parents=True)
    for link in (root / "link", root / "real/link"):
        link.symlink_to(outside)

    with pytest.raises(NotADirectoryError):
        open_path(root, path, create=create)
    assert [entry.name for entry in outside.iterdir()] == ["a"]


def test_root_itself_may_be_a_link(tmp_path: Path) -> None:
    """A cluster's administrator mounts the volume, and not a user of it."""
    (tmp_path / "volume/a").mkdir(parents=True)
    (tmp_path / "data").symlink_to(tmp_path / "volume")
    assert open_path(tmp_path / "data", "a") == tmp_path / "volume/a"


def test_file_is_not_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with pytest.raises(NotADirectoryError):
        open_path(tmp_path, "a/b", create=True)


def test_no_descriptor_stays_open(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    before = len(list(Path("/proc/self/fd").iterdir()))
    open_path(tmp_path, "a/b/c", create=True)
    with pytest.raises(NotADirectoryError):
        open_path(tmp_path, "file/x", create=True)
    with pytest.raises(FileNotFoundError):
        open_path(tmp_path, "a/b/x/y")
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_folder_is_created_by_many_at_the_same_moment(tmp_path: Path) -> None:
    errors: list[Exception] = []
    barrier = threading.Barrier(8)
    path = "a/b/c/d/e/f/g/h"

    def create() -> None:
        barrier.wait()
        try:
            open_path(tmp_path, path, create=True)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=create) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    assert (tmp_path / path).is_dir()


@pytest.mark.parametrize(
    ("template", "confined"),
    [
        ("{namespace}/{name}/{scheduled}-{filename}", True),
        ("{namespace}/{name}/a/b", True),
        ("team/nightly/latest.csv", True),
        ("{namespace}/nightly/latest.csv", True),
        ("{namespace}/{name}", False),
        ("{namespace}/{name}-{filename}", False),
        ("{namespace}/nightlyx/latest.csv", False),
        ("{name}/{scheduled}-{filename}", False),
        ("{filename}/nightly/x", False),
        ("team/{filename}", False),
        ("latest.csv", False),
        ("Team/nightly/latest.csv", False),
        ("{namespace}/{name}/{scheduled:%Y/%m}", True),
        ("{scheduled:%Y}/{name}/x", False),
        ("{{namespace}}/{name}/x", False),
        ("{namespace}/{{name}}/x", False),
    ],
)
def test_template_is_confined_if_it_starts_with_the_own_folder(
    template: str, confined: bool
) -> None:
    assert is_confined(template, "team", "nightly") is confined


names = st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,6}[a-z0-9])?", fullmatch=True)
placeholders = ("{namespace}", "{name}", "{filename}", "{scheduled}", "{scheduled:%Y/%m}")
parts = st.sampled_from([*placeholders, "{{", "}}", "/", "a", "b", "..", "."])


@given(names, names, st.lists(parts, max_size=8).map("".join), names)
def test_path_of_a_confined_template_is_in_no_other_folder(
    namespace: str, name: str, template: str, other: str
) -> None:
    if is_confined(template, namespace, name):
        now = datetime.now(UTC)
        texts = {"namespace": namespace, "name": name, "filename": "f"}
        path = render(template, Times(now, lambda: now, UTC), texts)
        assert path.startswith(own_folder(namespace, name))
        if other != name:
            assert not path.startswith(own_folder(namespace, other))
