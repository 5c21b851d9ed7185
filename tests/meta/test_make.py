"""`make run` as a newcomer meets it."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import ROOT, free_port, require_tools, wait_until
from tests.harness.process import clean_environment, spawn


@pytest.fixture
def bare_checkout(tmp_path: Path) -> Path:
    """What `make run` looks at before it has made anything."""
    tree = tmp_path / "tree"
    (tree / "streamdns").mkdir(parents=True)
    for name in ("Makefile", "setup.py", "pyproject.toml", "requirements.txt", "streamdns/__init__.py"):
        shutil.copy(ROOT / name, tree / name)
    return tree


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        (
            'case "$*" in *venv*) exit 1 ;; *) exit 0 ;; esac',
            "streamdns needs Python's venv module: apt install python3-venv",
        ),
        (
            'case "$*" in -V) echo Python 3.10.1 ;; *) exit 1 ;; esac',
            "streamdns needs Python 3.11 or newer, and {} is Python 3.10.1",
        ),
        (None, "streamdns needs Python 3.11 or newer: apt install python3 python3-venv"),
    ],
    ids=["no venv module", "old Python", "no Python"],
)
def test_a_machine_without_what_is_needed_is_told_in_one_sentence(
    bare_checkout: Path, tmp_path: Path, script: str | None, sentence: str
) -> None:
    """The first line of output is the sentence, and nothing was made."""
    python = tmp_path / "python"
    if script is not None:
        python.write_text(f"#!/bin/sh\n{script}\n")
        python.chmod(0o755)
    done = subprocess.run(
        ["make", "--no-print-directory", "run", f"PYTHON={python}"], cwd=bare_checkout, capture_output=True, text=True,
        check=False,
    )
    assert done.returncode != 0
    assert done.stdout.splitlines() == [sentence.format(python)]
    assert not (bare_checkout / ".venv").exists()


@pytest.fixture
def make_run(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """`make run` in the foreground of its own process group, with ports and folders of its own; and its output."""
    if subprocess.run(["make", "--question", ".venv/runtime"], cwd=ROOT, capture_output=True, check=False).returncode:
        pytest.skip(".venv is not there or not up to date: make test makes it")
    env = clean_environment({
        "DNS_ADDRESS": f"127.0.0.1:{free_port()}",
        "DNS_ADMIN_ADDRESS": f"127.0.0.1:{free_port()}",
        "DNS_FILE_LOG": str(tmp_path / "var" / "log.jsonl"),
        "DNS_PATHDB": str(tmp_path / "var" / "view"),
    })
    env = {name: value for name, value in env.items() if not name.startswith(("MAKE", "MFLAGS"))}
    output = tmp_path / "output.txt"
    with output.open("wb") as file:
        process = spawn(["make", "--no-print-directory", "run"], env=env, output=file, own_group=True)
    try:
        yield process, output
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def test_make_run_answers_changes_and_ends(make_run: tuple[subprocess.Popen[bytes], Path]) -> None:
    """The printed dig answers, the printed publish changes that answer, Ctrl-C ends it within 2 s."""
    require_tools("dig")
    process, output = make_run

    def printed(pattern: str) -> str:
        def look() -> str:
            assert process.poll() is None, output.read_text()
            found = re.search(pattern, output.read_text(), re.MULTILINE)
            return found[0].strip() if found else ""

        return wait_until(look, f"a line like {pattern}", timeout_s=30)

    dig, publish = printed(r"^ +dig .*$"), printed(r"^ +.*streamdns publish .*$")

    def answers() -> set[str]:
        command = [*shlex.split(dig), "+short", "+time=1", "+tries=1"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return set(done.stdout.split()) if done.returncode == 0 else set()

    wait_until(lambda: answers() == {"192.0.2.7"}, "the example zone is answered", timeout_s=30)
    subprocess.run(["sh", "-c", publish], cwd=ROOT, env=clean_environment({}), check=True, capture_output=True)
    wait_until(lambda: answers() == {"192.0.2.99"}, "the published address is answered", timeout_s=10)
    # A terminal sends SIGINT to the whole foreground group: to make and to the server.
    os.killpg(process.pid, signal.SIGINT)
    process.wait(timeout=2)
    written = output.read_text()
    assert process.returncode in (0, -signal.SIGINT), written
    assert "Traceback" not in written
    assert "Error" not in written
