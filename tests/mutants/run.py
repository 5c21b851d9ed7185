"""Runs mutmut over a group of modules in a copy of the tree, and reads what came of each mutant."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import Final, NamedTuple

from tests.harness import ROOT
from tests.mutants.groups import Group

WORK: Final = ROOT / "build" / "mutants"
_COPIED: Final = (
    "streamdns", "tests", "docs", "examples", "README.md", "pyproject.toml", "requirements.txt", "setup.py",
)
#: Exit codes of a mutant's tests: all passed, or there are none. All others are failures or time-outs.
_SURVIVED, _NO_TESTS = 0, 33


class Found(NamedTuple):
    """Mutants by name: those that a test killed, those that no test noticed, those that no test touches."""

    killed: tuple[str, ...]
    survived: tuple[str, ...]
    untouched: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.killed) + len(self.survived) + len(self.untouched)


def prepare(name: str, group: Group) -> pathlib.Path:
    """Copy the tree, with mutmut configured for this group; what was found before was found by other tests perhaps."""
    folder = WORK / name
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    for each in _COPIED:
        source, target = ROOT / each, folder / each
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, target)
    selection = [*group.tests, *(f"--deselect={each}" for each in group.left_out)]
    with (folder / "pyproject.toml").open("a", encoding="utf-8") as file:
        # What tests import patches sockets (gevent): each mutant begins in a process that has run nothing yet.
        file.write(
            f'\n[tool.mutmut]\nsource_paths = ["streamdns"]\nonly_mutate = {json.dumps(group.modules)}\n'
            f'also_copy = {json.dumps([each for each in _COPIED if each != "streamdns"])}\n'
            'pytest_add_cli_args = ["-p", "no:randomly", "-p", "no:xdist", "-p", "no:cacheprovider"]\n'
            f"pytest_add_cli_args_test_selection = {json.dumps(selection)}\n"
            'process_isolation = "forkserver"\nuse_git_change_detection = false\n'
        )
    return folder


def run(folder: pathlib.Path, patterns: Sequence[str], *, most_s: float | None) -> str:
    """Run mutmut for mutants whose names fit; after `most_s` it is ended. Why it failed, or nothing."""
    command = [str(pathlib.Path(sys.executable).with_name("mutmut")), "run", "--max-children", "2", *patterns]
    with (folder / "output.txt").open("wb") as output:
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=output, start_new_session=True)
        try:
            code = process.wait(timeout=most_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return ""
    return "" if not code else (folder / "output.txt").read_text(errors="replace")[-3000:]


def found(folder: pathlib.Path) -> Found:
    """What came of the mutants that were run so far."""
    codes: dict[str, int] = {}
    for path in sorted((folder / "mutants").rglob("*.meta")):
        codes |= {name: code for name, code in json.loads(path.read_text())["exit_code_by_key"].items()
                  if code is not None}
    return Found(
        tuple(name for name, code in codes.items() if code not in (_SURVIVED, _NO_TESTS)),
        tuple(name for name, code in codes.items() if code == _SURVIVED),
        tuple(name for name, code in codes.items() if code == _NO_TESTS),
    )


def change(folder: pathlib.Path, mutant: str) -> str:
    """What a mutant changes, as "old -> new" on one line."""
    command = [str(pathlib.Path(sys.executable).with_name("mutmut")), "show", mutant]
    shown = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False).stdout.splitlines()
    old = [line[1:].strip() for line in shown if line.startswith("-") and not line.startswith("---")]
    new = [line[1:].strip() for line in shown if line.startswith("+") and not line.startswith("+++")]
    return f"{' '.join(old)} -> {' '.join(new)}"
