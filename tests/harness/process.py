"""Starts child processes of tests, finds free ports, waits with a deadline, and makes sure that every child ends."""

from __future__ import annotations

import ctypes
import os
import pathlib
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import IO, TypeVar

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
#: An address of this machine where nothing listens.
ELSEWHERE = "127.0.0.2"
T = TypeVar("T")
#: Below those that Linux gives to outgoing connections, unless it was told otherwise.
_PORTS = (12_000, 32_000)
#: Not the generator of the tests: those are set to the same seed in every process.
_CHANCE = random.SystemRandom()
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)


def free_port(host: str = "127.0.0.1") -> int:
    """A port that is free now for UDP and TCP on `host`; somebody may take it before the caller does.

    It is not of those that the kernel gives to outgoing connections: what is killed and started again finds it free.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for _ in range(1000):
        port = _CHANCE.randrange(*_PORTS)
        with socket.socket(family, socket.SOCK_DGRAM) as udp, socket.socket(family, socket.SOCK_STREAM) as tcp:
            try:
                udp.bind((host, port))
                tcp.bind((host, port))
            except OSError:
                continue
            return port
    raise RuntimeError(f"no port of {host} is free for both UDP and TCP")


def wait_until(condition: Callable[[], T], what: str, *, timeout_s: float = 20.0, interval_s: float = 0.01) -> T:
    """Poll `condition` until it is true and return its value; AssertionError naming `what` after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"after {timeout_s:g} s still not: {what}")
        time.sleep(interval_s)


def next_ms() -> int:
    """A millisecond of the clock (of time.time_ns()) that has just begun: all that was done before was before it."""
    before = time.time_ns() // 1_000_000
    while (now := time.time_ns() // 1_000_000) <= before:
        pass
    return now


def spawn(
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    output: IO[bytes] | int,
    cwd: pathlib.Path = ROOT,
    own_group: bool = False,
    inherits: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start a child that reads nothing, writes to `output`, and dies with the thread that started it.

    It has the descriptors that it `inherits`, and no others. With `own_group` it leads a process group of its own, as
    a shell's foreground job does.
    """
    return subprocess.Popen(
        command,
        env=dict(env),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        process_group=0 if own_group else None,
        pass_fds=inherits,
        preexec_fn=_die_with_parent,
    )


def refusing(*rules: str) -> tuple[str, ...]:
    """What stands before a command whose system calls are refused, such as refusing("recvmmsg=ENOSYS")."""
    return (sys.executable, str(pathlib.Path(__file__).with_name("system_calls.py")), *rules, "--")


def _die_with_parent() -> None:
    # Runs between fork and exec, where only this one system call is safe.
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def end(process: subprocess.Popen[bytes], *, signum: int = signal.SIGTERM, timeout_s: float = 10.0) -> int:
    """Send `signum` and return the exit code; a process that outlives `timeout_s` is killed and is a failure."""
    if process.poll() is None:
        process.send_signal(signum)
        try:
            process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"{process.args!r} was still there {timeout_s:g} s after signal {signum}") from None
    return process.returncode


def clean_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """This environment without any setting of streamdns, then `extra`."""
    others = ("DNS_", "LOG_", "NOTIFY_", "WATCHDOG_", "LISTEN_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(others)}
    return kept | dict(extra)


def open_descriptors() -> int:
    """How many descriptors this process has open; threads of libraries open and close some at any moment."""
    return len(os.listdir("/proc/self/fd")) - 1  # without that of the list


def children() -> list[str]:
    """The command lines of this process's children, for a test session that must leave none."""
    found = []
    for task in pathlib.Path("/proc/self/task").iterdir():
        for pid in (task / "children").read_text().split():
            try:
                command = pathlib.Path("/proc", pid, "cmdline").read_bytes()
            except OSError:
                continue
            words = command.replace(b"\0", b" ").decode(errors="replace")
            found.append(f"{pid}: {words}")
    return found
