"""The request for a rebuild: a file in the view's directory, which a command writes and the running server obeys.

Everyone who may write in the directory may ask. The file stays until a rebuilt view serves, so the request outlives a
restart, and it may be made while no server runs.
"""

from __future__ import annotations

import os
import secrets

import msgspec

from streamdns.view.store import disk_failure

_NAME = "rebuild-request"


class Request(msgspec.Struct, frozen=True):
    """One request: who asked and when (ms since 1970); by its `id` status says which request was carried out."""

    id: str
    by: str
    time_ms: int


def pending(path: str) -> Request | None:
    """Read the request that waits in a view's directory; a file that cannot be decoded counts as one, by "somebody"."""
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
    """Write a request, or return the one that waits already. Raises ViewFull, ViewError."""
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
    """Remove the request after it was carried out or refused."""
    try:
        os.unlink(os.path.join(path, _NAME))
    except OSError:
        pass  # It is not there, or the directory takes no change: then a rebuild more does no harm.
