"""What is said of the process itself."""

from __future__ import annotations

import os
from contextlib import ExitStack
from types import SimpleNamespace

import pytest

from streamdns.metrics import process


def test_descriptors_are_counted_and_not_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the kernel counts them: to list thousands of them takes milliseconds of the event loop."""
    if not os.stat("/proc/self/fd").st_size:
        pytest.skip("this kernel does not count them (Linux 6.2)")
    # Those that a thread is about to get are counted, too.
    before = process.open_descriptors()
    assert 0 <= before - (len(os.listdir("/proc/self/fd")) - 1) < 4
    monkeypatch.setattr(process, "os", SimpleNamespace(stat=os.stat))
    with ExitStack() as stack:
        for _ in range(7):
            stack.callback(os.close, os.open(os.devnull, os.O_RDONLY))
        assert process.open_descriptors() == before + 7


def test_an_older_kernel_lists_them(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = len(os.listdir("/proc/self/fd")) - 1
    old = SimpleNamespace(stat=lambda path: SimpleNamespace(st_size=0), listdir=os.listdir)
    monkeypatch.setattr(process, "os", old)
    assert process.open_descriptors() == listed
