"""The manifest of a schedule: what it records, and which files it removes."""

import errno
import json
import os
import shutil
from pathlib import Path

import pytest

from download_worker.errors import DownloadError, Reason
from download_worker.volume.manifest import FOLDER, MAX_FILES, VolumeManifest
from download_worker.volume.output_file import OutputFile
from download_worker.volume.partial_files import PartialFiles
from download_worker.volume.saved_file import SavedFile

OWNER = "team.nightly"
URL = "http://example.com/x"
DIGEST = "0" * 64


def write(root: Path, path: str) -> OutputFile:
    file = OutputFile(PartialFiles(root, "parts", "x").create(), root, path)
    file.commit("")
    return file


def save(
    manifest: VolumeManifest,
    root: Path,
    path: str,
    keep_last: int | None = None,
    headers: dict[str, str] | None = None,
) -> SavedFile:
    """Write a file and record it."""
    file = write(root, path)
    saved = manifest.describe(path, file.inode, URL, DIGEST, headers or {})
    manifest.record(saved, keep_last)
    return saved


def recorded(root: Path, owner: str = OWNER) -> list[str]:
    return [file.path for file in VolumeManifest.load(root, owner).files]


def test_last_file_is_the_one_from_the_same_source(tmp_path: Path) -> None:
    manifest = VolumeManifest(tmp_path, OWNER)
    save(manifest, tmp_path, "one")
    two = save(manifest, tmp_path, "two", headers={"etag": '"v1"'})

    reloaded = VolumeManifest.load(tmp_path, OWNER)

    assert reloaded.last_file(URL) == two
    assert reloaded.last_file("http://example.com/y") is None
    (tmp_path / "two").write_text("changed")
    assert reloaded.last_file(URL) is None


def test_replaced_file_is_not_described_as_the_new_one(tmp_path: Path) -> None:
    manifest = VolumeManifest(tmp_path, OWNER)
    first, second = write(tmp_path, "latest"), write(tmp_path, "latest")
    manifest.record(manifest.describe("latest", second.inode, URL, "2" * 64, {}), None)

    with pytest.raises(FileNotFoundError):
        manifest.describe("latest", first.inode, URL, "1" * 64, {})
    stale = manifest.files[0]._replace(inode=first.inode, sha256="1" * 64)
    manifest.record(stale, None)

    assert [file.sha256 for file in VolumeManifest.load(tmp_path, OWNER).files] == ["2" * 64]


def test_slower_run_does_not_make_its_file_the_last_one(tmp_path: Path) -> None:
    manifest = VolumeManifest(tmp_path, OWNER)
    one = save(manifest, tmp_path, "one")
    save(manifest, tmp_path, "two")

    manifest.record_unchanged(one, {"etag": '"late"'}, None)

    files = VolumeManifest.load(tmp_path, OWNER).files
    assert [(file.path, file.etag) for file in files] == [("one", None), ("two", None)]


def test_etag_of_an_unchanged_file_is_recorded(tmp_path: Path) -> None:
    manifest = VolumeManifest(tmp_path, OWNER)
    one = save(manifest, tmp_path, "one", headers={"etag": '"v1"'})

    manifest.record_unchanged(one, None, None)
    assert VolumeManifest.load(tmp_path, OWNER).files == [one]
    manifest.record_unchanged(one, {"etag": '"v2"'}, None)
    assert [file.etag for file in VolumeManifest.load(tmp_path, OWNER).files] == ['"v2"']


@pytest.mark.parametrize(
    ("headers", "etag", "last_modified"),
    [
        ({"etag": '"v1"', "last-modified": "noon"}, '"v1"', "noon"),
        ({"etag": '"a\tb"', "last-modified": "noon"}, None, "noon"),
        ({"etag": "", "last-modified": "a\xa0b"}, None, None),
        (
            {
                "last-modified": "Mon, 23 Nov 2026 12:00:00 GMT",
                "date": "Mon, 23 Nov 2026 12:00:00 GMT",
            },
            None,
            None,
        ),
    ],
)
def test_only_useful_validators_are_recorded(
    tmp_path: Path, headers: dict[str, str], etag: str | None, last_modified: str | None
) -> None:
    saved = save(VolumeManifest(tmp_path, OWNER), tmp_path, "one", headers=headers)
    assert (saved.etag, saved.last_modified) == (etag, last_modified)


def test_as_many_files_as_keep_last_may_be_are_recorded(tmp_path: Path) -> None:
    url, etag = "http://example.com/" + "u" * 2029, '"e"'
    old = SavedFile("/".join(["a" * 200] * 5), 1, 1, "", DIGEST)
    many = [old._replace(path=f"{old.path}{n}") for n in range(MAX_FILES)]
    (tmp_path / FOLDER).mkdir()
    text = json.dumps([file._asdict() for file in many])
    (tmp_path / FOLDER / f"{OWNER}.json").write_text(text)

    manifest = VolumeManifest(tmp_path, OWNER)
    for name in ("last but one", "last"):
        file = write(tmp_path, name)
        saved = manifest.describe(name, file.inode, url, DIGEST, {"etag": etag})
        manifest.record(saved, MAX_FILES)

    files = VolumeManifest.load(tmp_path, OWNER).files
    assert len(files) == MAX_FILES
    assert [(file.source, file.etag) for file in files[-2:]] == [("", None), (url, etag)]


def test_file_that_cannot_be_removed_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = VolumeManifest(tmp_path, OWNER)
    unlink = os.unlink

    def refuse(name: str, *, dir_fd: int | None = None) -> None:
        if name == "one":
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
        unlink(name, dir_fd=dir_fd)

    with monkeypatch.context() as patched:
        patched.setattr(os, "unlink", refuse)
        save(manifest, tmp_path, "one", keep_last=1)
        assert recorded(tmp_path) == ["one"]
        save(manifest, tmp_path, "two", keep_last=1)
        assert recorded(tmp_path) == ["one", "two"]

    save(manifest, tmp_path, "three", keep_last=1)
    assert recorded(tmp_path) == ["three"]
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["three"]


def test_path_of_another_schedule_is_refused(tmp_path: Path) -> None:
    save(VolumeManifest(tmp_path, "team.other"), tmp_path, "shared")
    manifest = VolumeManifest(tmp_path, OWNER)

    with pytest.raises(DownloadError, match=r"a file of the schedule team\.other") as caught:
        manifest.check_path("shared")

    assert caught.value.reason is Reason.UNSAFE_PATH
    manifest.check_path("free")


@pytest.mark.parametrize("is_link", [False, True])
def test_file_of_no_schedule_is_replaced_only_on_request(tmp_path: Path, is_link: bool) -> None:
    if is_link:
        (tmp_path / "x").symlink_to("nowhere")
    else:
        (tmp_path / "x").write_text("by a person")
    manifest = VolumeManifest(tmp_path, OWNER)

    with pytest.raises(
        DownloadError, match=r"write overwrite: true in destination\.volume"
    ) as caught:
        manifest.check_path("x")

    assert (caught.value.reason, caught.value.permanent) == (Reason.FILE_EXISTS, True)
    manifest.check_path("x", overwrite=True)


def test_request_to_overwrite_is_not_about_files_of_other_schedules(tmp_path: Path) -> None:
    save(VolumeManifest(tmp_path, "team.other"), tmp_path, "shared")

    with pytest.raises(DownloadError, match=r"a file of the schedule team\.other"):
        VolumeManifest(tmp_path, OWNER).check_path("shared", overwrite=True)


def test_own_file_that_somebody_changed_is_not_replaced(tmp_path: Path) -> None:
    manifest = VolumeManifest(tmp_path, OWNER)
    save(manifest, tmp_path, "x")
    manifest.check_path("x")
    (tmp_path / "x").write_text("changed")

    with pytest.raises(DownloadError, match="did not write"):
        manifest.check_path("x")


def test_own_file_of_a_claim_that_was_copied_is_replaced(tmp_path: Path) -> None:
    original, copy = tmp_path / "original", tmp_path / "copy"
    original.mkdir()
    save(VolumeManifest(original, OWNER), original, "x")
    save(VolumeManifest(original, "team.other"), original, "y")
    shutil.copytree(original, copy)
    manifest = VolumeManifest.load(copy, OWNER)

    manifest.check_path("x")
    with pytest.raises(DownloadError, match=r"a file of the schedule team\.other"):
        manifest.check_path("y", overwrite=True)
    assert manifest.last_file(URL) is None


def test_file_that_another_run_recorded_in_the_meantime_is_replaced(tmp_path: Path) -> None:
    manifest = VolumeManifest.load(tmp_path, OWNER)
    save(VolumeManifest.load(tmp_path, OWNER), tmp_path, "x")
    manifest.check_path("x")


def announce(manifest: VolumeManifest, root: Path, path: str) -> OutputFile:
    """Do what a run does before it dies: commit a file, and not record it."""

    class AnnouncedFile(OutputFile):
        def check_path(self) -> None:
            manifest.announce(self._partial.file)

    file = AnnouncedFile(PartialFiles(root, "parts", "x").create(), root, path)
    file.write(b"x")
    file.commit("")
    return file


def test_file_of_a_run_that_died_before_it_recorded_it_is_replaced(tmp_path: Path) -> None:
    announce(VolumeManifest(tmp_path, OWNER), tmp_path, "x")

    VolumeManifest(tmp_path, OWNER).check_path("x")
    with pytest.raises(DownloadError, match="did not write"):
        VolumeManifest(tmp_path, "team.nightly2").check_path("x")
    (tmp_path / "x").write_text("changed")
    with pytest.raises(DownloadError, match="did not write"):
        VolumeManifest(tmp_path, OWNER).check_path("x")


def test_mark_of_a_file_is_removed_once_it_is_recorded(tmp_path: Path) -> None:
    manifest = VolumeManifest(tmp_path, OWNER)
    replaced, file = (announce(manifest, tmp_path, "x") for _ in range(2))
    folder = tmp_path / FOLDER
    assert len(list(folder.iterdir())) == 2

    manifest.record(manifest.describe("x", file.inode, URL, DIGEST, {}), None)
    (left,) = folder.glob("*.commit")
    assert f".{replaced.inode:x}." in left.name

    other_schedule = folder / left.name.replace("nightly", "nightly.1")
    other_schedule.touch()
    for path in (left, other_schedule):
        os.utime(path, (0, 0))
    manifest.record(manifest.files[0], None)
    assert [path.name for path in folder.glob("*.commit")] == [other_schedule.name]


@pytest.mark.parametrize("path", [f"{FOLDER}/x", f"{FOLDER.upper()}/x", FOLDER])
def test_folder_of_manifests_is_reserved(tmp_path: Path, path: str) -> None:
    with pytest.raises(DownloadError, match="reserved") as caught:
        VolumeManifest(tmp_path, OWNER).check_path(path)
    assert caught.value.reason is Reason.INVALID_PATH


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[1]",
        '[{"path": 1}]',
        '[{"path": "x"}]',
        json.dumps([{"path": "x", "inode": 1, "modified": 1, "source": "u", "sha256": "s"}]),
        json.dumps([{"path": "x", "inode": 1, "modified": 1, "source": "\n", "sha256": DIGEST}]),
        json.dumps([{"path": "x", "inode": "1", "modified": 1, "source": "", "sha256": DIGEST}]),
        "[" * 100_000,
    ],
)
def test_invalid_manifest_is_empty(tmp_path: Path, text: str) -> None:
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / f"{OWNER}.json").write_text(text)
    assert recorded(tmp_path) == []
