"""The request for a rebuild: a file in the view's directory, left by the command and honoured by who holds the view.

Whoever may write in the directory may ask; there is no other way in. The file stays until a rebuilt view serves, so a
request outlives the server that has seen it, and one that nobody has seen yet.
"""

from __future__ import annotations

import os
import secrets

import msgspec

from streamdns.view.store import disk_failure

_NAME = "rebuild-request"


class Request(msgspec.Struct, frozen=True):
    """Who asked for a rebuild, and when (ms since 1970); `id` is how status tells which request was honoured."""

    id: str
    by: str
    time_ms: int


def pending(path: str) -> Request | None:
    """The request that waits in a view's directory; a file that is not one counts as a request of somebody."""
    try:
        with open(os.path.join(path, _NAME), "rb") as file:
            raw = file.read(4096)
    except OSError:
        return None
    try:
        return msgspec.json.decode(raw, type=Request)
    except msgspec.MsgspecError:
        return Request("", "somebody", 0)


def ask(path: str, *, by: str, now_ms: int) -> Request:
    """Leave a request, or find the one that waits already. Raises ViewFull, ViewError."""
    found = pending(path)
    if found is not None and found.id:
        return found
    request = Request(secrets.token_hex(8), by, now_ms)
    name = os.path.join(path, _NAME)
    temporary = f"{name}.{request.id}"
    try:
        try:
            fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
            try:
                os.write(fd, msgspec.json.encode(request))
                os.fsync(fd)
            finally:
                os.close(fd)
            os.replace(temporary, name)
        finally:
            if os.path.exists(temporary):
                os.unlink(temporary)
    except OSError as err:
        raise disk_failure(path, err) from err
    return request


def withdraw(path: str) -> None:
    """Take the request away: it was honoured, or refused."""
    try:
        os.unlink(os.path.join(path, _NAME))
    except OSError:
        pass  # It is not there, or the directory takes no change: then a rebuild more does no harm.
