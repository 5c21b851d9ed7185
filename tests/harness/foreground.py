"""Runs `make TARGET` in the foreground, as a person at a terminal does."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
from pathlib import Path
from typing import Self

import pytest

from tests.harness.process import ROOT, clean_environment, spawn, wait_until


class Foreground:
    """`make WORDS` in a process group of its own, with `settings` in its environment; a context manager."""

    def __init__(self, folder: Path, *words: str, **settings: str) -> None:
        self._output = folder / "output.txt"
        self._words = words
        env = clean_environment(settings)
        self._env = {name: value for name, value in env.items() if not name.startswith(("MAKE", "MFLAGS"))}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        for stamp in (".venv/runtime", ".venv/tools"):
            if subprocess.run(["make", "--question", stamp], cwd=ROOT, capture_output=True, check=False).returncode:
                pytest.skip(".venv is not there or not up to date: make test makes it")
        with self._output.open("wb") as file:
            command = ["make", "--no-print-directory", *self._words]
            self._process = spawn(command, env=self._env, output=file, own_group=True)
        return self

    def __exit__(self, *exc: object) -> None:
        process = self._process
        if process is not None and process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def written(self) -> str:
        return self._output.read_text()

    def printed(self, pattern: str, *, timeout_s: float = 120.0) -> str:
        """A line that it writes, waited for, without the spaces around it."""
        process = self._process
        assert process is not None

        def look() -> str:
            assert process.poll() is None, self.written()
            found = re.search(pattern, self.written(), re.MULTILINE)
            return found[0].strip() if found else ""

        return wait_until(look, f"a line like {pattern}", timeout_s=timeout_s)

    def interrupt(self, *, within_s: float) -> None:
        """Ctrl-C: it ends in time, without a word that frightens."""
        process = self._process
        assert process is not None
        # A terminal sends SIGINT to the whole foreground group: to make and to what it runs.
        os.killpg(process.pid, signal.SIGINT)
        process.wait(timeout=within_s)
        assert process.returncode in (0, -signal.SIGINT), self.written()
        assert "Traceback" not in self.written()
        assert "Error" not in self.written()


def dig(command: str) -> set[str]:
    """What a printed dig answers."""
    words = [*shlex.split(command), "+short", "+time=1", "+tries=1"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return set(done.stdout.split()) if done.returncode == 0 else set()


def shell(command: str) -> str:
    """Run a printed command at the top of the checkout, which must work; what it prints."""
    done = subprocess.run(
        ["sh", "-c", command], cwd=ROOT, env=clean_environment({}), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
