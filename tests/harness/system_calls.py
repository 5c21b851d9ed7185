"""Runs a command with some system calls refused, as a strict profile or an old kernel does it (seccomp).

python system_calls.py recvmmsg=ENOSYS socket:10=EAFNOSUPPORT -- COMMAND...: with a number after a colon only calls
with this first argument are refused.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _FILTER = 38, 22, 2
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_AT_NUMBER, _AT_ARCHITECTURE, _AT_FIRST_ARGUMENT = 0, 4, 16
#: Of each machine: what the kernel calls it, and the numbers of system calls.
_MACHINES = {
    "x86_64": (0xC000003E, {"socket": 41, "sendmsg": 46, "recvmsg": 47, "recvmmsg": 299, "sendmmsg": 307}),
    "aarch64": (0xC00000B7, {"socket": 198, "sendmsg": 211, "recvmsg": 212, "recvmmsg": 243, "sendmmsg": 269}),
}


def _program(rules: list[str]) -> bytes:
    architecture, numbers = _MACHINES[os.uname().machine]
    steps: list[tuple[int, int, int, int]] = [
        (_LOAD, 0, 0, _AT_ARCHITECTURE), (_EQUAL, 1, 0, architecture), (_RETURN, 0, 0, _ALLOW),
    ]
    for rule in rules:
        what, _, failure = rule.partition("=")
        name, _, argument = what.partition(":")
        refuse = (_RETURN, 0, 0, _ERRNO | getattr(errno, failure))
        steps.append((_LOAD, 0, 0, _AT_NUMBER))
        if argument:
            steps += [(_EQUAL, 0, 3, numbers[name]), (_LOAD, 0, 0, _AT_FIRST_ARGUMENT), (_EQUAL, 0, 1, int(argument))]
        else:
            steps.append((_EQUAL, 0, 1, numbers[name]))
        steps.append(refuse)
    steps.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("HBBI", *step) for step in steps)


def main() -> None:
    """Refuse what the arguments say, then become the command."""
    middle = sys.argv.index("--")
    program = _program(sys.argv[1:middle])
    buffer = ctypes.create_string_buffer(program, len(program))
    filters = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(_PR_SET_SECCOMP, _FILTER, filters, 0, 0):
        sys.exit(f"seccomp: {os.strerror(ctypes.get_errno())}")
    os.execvp(sys.argv[middle + 1], sys.argv[middle + 1 :])


if __name__ == "__main__":
    main()
