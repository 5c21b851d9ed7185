"""The entry point of `streamdns` and `python -m streamdns`; no other module patches the standard library for gevent."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
from typing import NoReturn, TextIO


def _open_missing() -> None:
    """Open descriptors 0 to 2 where the process was started without them.

    Otherwise the next files that are opened would get these numbers, and what is written to standard error would land
    in them: in the view.
    """
    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:
            # The lowest number that is free is this one.
            os.open(os.devnull, os.O_RDWR)
    sys.stdin = sys.stdin or _text(0, "r")
    sys.stdout = sys.stdout or _text(1, "w")
    sys.stderr = sys.stderr or _text(2, "w")


def _text(fd: int, mode: str) -> TextIO:
    # As the interpreter makes them; it is not closed with the object.
    return open(fd, mode, encoding="utf-8", errors="backslashreplace", closefd=False)  # type: ignore[return-value]


def _patch() -> None:
    from gevent import monkey

    monkey.patch_all()


def _worker(arguments: list[str]) -> int:
    """Be a worker of a server (DNS_WORKERS), which starts it with this word in the place of a command."""
    _patch()
    from streamdns.workers import process

    descriptor, parent, resolves = arguments
    return process.main(int(descriptor), int(parent), resolves=resolves == "resolves")


def run() -> int:
    """Run the command line, and give its exit code; only `run` needs gevent, and patches before it imports anything."""
    _open_missing()
    if sys.argv[1:2] == ["_worker"]:
        return _worker(sys.argv[2:])
    if "run" in sys.argv[1:]:
        # First of all: until then SIGHUP would end the process.
        from streamdns.runtime import early_signals

        early_signals.hold()
    try:
        from streamdns import cli
    except KeyboardInterrupt:
        return 130  # as cli.main() has it from here on
    return cli.main(sys.argv[1:], before_run=_patch)


def main() -> NoReturn:
    """Run the command line and end the process.

    The interpreter is not taken down: threads of client libraries that came back from C++ meanwhile would be ended in
    the midst of it, and C++ answers that with an abort of the whole process, after all work was done well.
    """
    try:
        code = run()
    except SystemExit as asked:  # by argparse, which has said why
        code = asked.code if isinstance(asked.code, int) else int(asked.code is not None)
    atexit._run_exitfuncs()  # noqa: SLF001 - as multiprocessing ends its processes
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
