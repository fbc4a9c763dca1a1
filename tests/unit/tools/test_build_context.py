"""What goes into an image."""

import shutil
import subprocess
import sys
from pathlib import Path

import tzdata

from tools.images.build_context import CONTENTS, REPOSITORY

PROGRAM = """
import sys
sys.path[:0] = sys.argv[1:]
from datetime import UTC, datetime
from download_schedule import cron
import download_schedule.attempt.template
print(cron.parse("@daily", "Asia/Tokyo").previous_tick(datetime(2026, 1, 1, tzinfo=UTC)))
"""


def test_worker_has_the_modules_that_find_the_tick_before(tmp_path: Path) -> None:
    for source in CONTENTS["worker"].sources:
        path = REPOSITORY / source
        copy = tmp_path / "packages" / path.relative_to(REPOSITORY / Path(source).parts[0])
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(path, copy) if path.is_dir() else shutil.copyfile(path, copy)
    shutil.copytree(Path(tzdata.__file__).parent, tmp_path / "packages/tzdata")

    command = [sys.executable, "-I", "-S", "-c", PROGRAM, str(tmp_path / "packages")]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert found == "2025-12-31 15:00:00+00:00\n"
