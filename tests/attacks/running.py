"""Runs attacks as processes beside whoever looks on."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Self

from tests.harness.process import ROOT, clean_environment, end

_READY_S = 60.0


class Running:
    """One attack under way; a context manager, after whose end `counted` says what it did."""

    def __init__(self, name: str, *arguments: str, seconds: float) -> None:
        self.name, self.counted = name, dict[str, int]()
        self._command = [sys.executable, "-m", "tests.attacks", name, f"--seconds={seconds}", *arguments]

    def __enter__(self) -> Self:
        self.process = subprocess.Popen(
            self._command, cwd=ROOT, env=clean_environment({}), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        if self.process.stdout.readline() != "ready\n":
            self.process.wait(_READY_S)
            raise AssertionError(f"the attack {self.name} did not begin")
        return self

    def __exit__(self, *exc: object) -> None:
        assert self.process.stdout is not None
        try:
            self.process.wait(_READY_S)
        except subprocess.TimeoutExpired:
            end(self.process)
        lines = self.process.stdout.read().splitlines()
        self.process.stdout.close()
        self.counted = json.loads(lines[-1]) if lines else {}


@contextmanager
def hostile_servers() -> Iterator[None]:
    """The name servers of tests/attacks/hostile.py: those who are honest do not wait for those who are asked much."""
    with ExitStack() as stack:
        for which in ("honest", "evil"):
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.attacks.hostile", which], cwd=ROOT, env=clean_environment({}),
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
            )
            stack.callback(end, process)
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n", f"the {which} name servers did not start"
        yield
