"""Keeps signals from ending a server that is still loading its modules, and remembers a SIGHUP until it can reload."""

from __future__ import annotations

import signal
from types import FrameType

#: What people and tools send for a rotation of logs or by mistake; by default each ends the process.
_IGNORED = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM)
_came: list[int] = []


def hold() -> None:
    """From now on SIGHUP is remembered, and signals that mean nothing to a server do nothing."""
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, _remember)


def take_hangup() -> bool:
    """Whether a SIGHUP came since hold(), or since the last call."""
    came = bool(_came)
    _came.clear()
    return came


def _remember(number: int, frame: FrameType | None) -> None:
    _came.append(number)
