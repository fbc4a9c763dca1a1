"""The files for the forge name things that exist."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from tests.support.documents import REPOSITORY

WORKFLOWS = sorted((REPOSITORY / ".github" / "workflows").glob("*.yaml"))


def commands() -> list[str]:
    """What the steps of the workflows run."""
    workflows: list[dict[str, Any]] = [yaml.safe_load(path.read_text()) for path in WORKFLOWS]
    steps = [
        step for workflow in workflows for job in workflow["jobs"].values() for step in job["steps"]
    ]
    return [step["run"] for step in steps if "run" in step]


def test_workflows_run_targets_of_make() -> None:
    makefile = (REPOSITORY / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    named = [word for run in commands() for word in re.findall(r"make ((?:[a-z-]+ ?)+)", run)]
    assert len(named) >= 8
    for word in " ".join(named).split():
        assert word in targets, word


def test_ci_runs_what_must_hold_before_a_change_lands() -> None:
    assert ".ci/run" in commands()


def test_the_matrix_has_every_supported_python() -> None:
    workflow = yaml.safe_load((REPOSITORY / ".github/workflows/ci.yaml").read_text())
    pythons = workflow["jobs"]["unit"]["strategy"]["matrix"]["python"]
    assert pythons == ["3.11", "3.12", "3.13", "3.14"]
    assert 'requires-python = ">=3.11"' in (REPOSITORY / "pyproject.toml").read_text()


def test_hooks_call_programs_of_the_environment() -> None:
    config = yaml.safe_load((REPOSITORY / ".pre-commit-config.yaml").read_text())
    (repo,) = config["repos"]
    assert repo["repo"] == "local"
    for hook in repo["hooks"]:
        folder, _, program = hook["entry"].split()[0].rpartition("/")
        assert (hook["language"], folder) == ("system", ".venv/bin")
        assert (Path(sys.executable).parent / program).exists(), program


def test_ignored_revisions_are_full_hashes_of_commits() -> None:
    lines = (REPOSITORY / ".git-blame-ignore-revs").read_text().splitlines()
    hashes = [line for line in lines if line and not line.startswith("#")]
    assert hashes
    assert all(re.fullmatch("[0-9a-f]{40}", commit) for commit in hashes)
    if git("rev-parse", "--is-shallow-repository").strip() == "false":
        for commit in hashes:
            assert git("cat-file", "-t", commit) == "commit\n"


def git(*arguments: str) -> str:
    """Standard output of git."""
    done = subprocess.run(
        ["git", *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_changelog_has_a_section_for_what_comes_next() -> None:
    sections = re.findall(
        r"^## \[([^\]]+)\]", (REPOSITORY / "CHANGELOG.md").read_text(), re.MULTILINE
    )
    assert sections[0] == "Unreleased"
    assert sections[-1] == "0.1.0"
