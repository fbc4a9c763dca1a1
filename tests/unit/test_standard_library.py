"""The folder ``operator/`` must never shadow the standard library's module of that name."""

import operator
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_standard_operator_wins_in_this_process() -> None:
    assert Path(operator.__file__).is_relative_to(sysconfig.get_path("stdlib"))


def test_standard_operator_wins_when_started_in_the_root_of_the_tree() -> None:
    command = [sys.executable, "-c", "import operator; print(operator.__file__)"]
    path = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert Path(path.strip()).is_relative_to(sysconfig.get_path("stdlib"))


def test_no_init_file_makes_the_folder_a_package() -> None:
    assert not (ROOT / "operator" / "__init__.py").exists()
