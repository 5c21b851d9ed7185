"""`make run` as a newcomer meets it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.harness import ROOT, free_port, require_tools, wait_until
from tests.harness.foreground import Foreground, dig, shell


@pytest.fixture
def bare_checkout(tmp_path: Path) -> Path:
    """What `make run` looks at before it has made anything."""
    tree = tmp_path / "tree"
    (tree / "streamdns").mkdir(parents=True)
    for name in ("Makefile", "setup.py", "pyproject.toml", "requirements.txt", "requirements-console.txt",
                 "requirements-pulsar.txt", "streamdns/__init__.py"):
        shutil.copy(ROOT / name, tree / name)
    shutil.copytree(ROOT / "packaging", tree / "packaging")
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


def test_make_run_answers_changes_and_ends(tmp_path: Path) -> None:
    """The printed dig answers, the printed publish changes that answer, Ctrl-C ends it within 2 s."""
    require_tools("dig")
    settings = {
        "DNS_ADDRESS": f"127.0.0.1:{free_port()}",
        "DNS_ADMIN_ADDRESS": f"127.0.0.1:{free_port()}",
        "DNS_FILE_LOG": str(tmp_path / "var" / "log.jsonl"),
        "DNS_PATHDB": str(tmp_path / "var" / "view"),
    }
    with Foreground(tmp_path, "run", **settings) as make:
        query, publish = make.printed(r"^ +dig .*$"), make.printed(r"^ +.*streamdns publish .*$")
        wait_until(lambda: dig(query) == {"192.0.2.7"}, "the example zone is answered", timeout_s=120)
        shell(publish)
        wait_until(lambda: dig(query) == {"192.0.2.99"}, "the published address is answered", timeout_s=10)
        make.interrupt(within_s=2)
