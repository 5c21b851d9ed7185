"""Makes a network namespace for this process, in which all of 127.0.0.0/8 and port 53 are free. Linux only."""

from __future__ import annotations

import ctypes
import os
import pathlib
import subprocess
from collections.abc import Iterable

from tests.harness.peers import find_tool

_NEW_USER, _NEW_NETWORK = 0x1000_0000, 0x4000_0000
_LIBC = ctypes.CDLL(None, use_errno=True)


class NoNetwork(Exception):
    """There can be none here; reads as a sentence."""


def enter() -> None:
    """Leave the network there is for one of our own, for good; who is not root becomes root of it.

    Raises NoNetwork. Call it before there are threads.
    """
    user, group = os.geteuid(), os.getegid()
    if _LIBC.unshare(_NEW_NETWORK | (_NEW_USER if user else 0)):
        raise NoNetwork(f"no network of our own here: {os.strerror(ctypes.get_errno())}")
    try:
        if user:
            pathlib.Path("/proc/self/setgroups").write_text("deny")
            pathlib.Path("/proc/self/uid_map").write_text(f"0 {user} 1")
            pathlib.Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    except OSError as error:
        raise NoNetwork(f"no network of our own here: {error.strerror}") from None
    failed = _ip("link", "set", "lo", "up")
    if failed:
        raise NoNetwork(failed)


def add(addresses: Iterable[str]) -> str:
    """Give this network addresses; why that did not work, or nothing."""
    for address in addresses:
        words = (f"{address}/128", "dev", "lo", "nodad") if ":" in address else (f"{address}/8", "dev", "lo")
        failed = _ip("address", "add", *words)
        if failed:
            return failed
    return ""


def _ip(*words: str) -> str:
    done = subprocess.run([str(find_tool("ip")), *words], capture_output=True, text=True, check=False, timeout=30)
    return f"ip {' '.join(words)}: {done.stderr.strip()}" if done.returncode else ""
