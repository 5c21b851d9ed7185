"""What is said of the process itself."""

from __future__ import annotations

import os
from contextlib import ExitStack
from types import SimpleNamespace

import pytest

from streamdns.metrics import process
from tests.harness import wait_until
from tests.harness.process import open_descriptors


def test_descriptors_are_counted_and_not_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the kernel counts them: to list thousands of them takes milliseconds of the event loop."""
    if not os.stat("/proc/self/fd").st_size:
        pytest.skip("this kernel does not count them (Linux 6.2)")
    monkeypatch.setattr(process, "os", SimpleNamespace(stat=os.stat))

    def counted() -> bool:
        # Those that a thread is about to get are counted, too.
        return 0 <= process.open_descriptors() - open_descriptors() < 4

    wait_until(counted, "as many are counted as are listed")
    with ExitStack() as stack:
        for _ in range(40):
            stack.callback(os.close, os.open(os.devnull, os.O_RDONLY))
        wait_until(counted, "forty more are counted")


def test_an_older_kernel_lists_them(monkeypatch: pytest.MonkeyPatch) -> None:
    old = SimpleNamespace(stat=lambda path: SimpleNamespace(st_size=0), listdir=os.listdir)
    monkeypatch.setattr(process, "os", old)
    wait_until(lambda: process.open_descriptors() == open_descriptors(), "as many as are listed")
