"""What people ask of the running server by files in the view's directory: a rebuild, or to swap in one that is held.

Everyone who may write in the directory may ask. A file stays until a rebuilt view serves, so what was asked outlives a
restart, and it may be asked while no server runs.
"""

from __future__ import annotations

import os
import secrets

import msgspec

from streamdns.view.store import disk_failure

_NAME, _ACCEPT = "rebuild-request", "rebuild-accept"


class Request(msgspec.Struct, frozen=True):
    """One request: who asked and when (ms since 1970); by its `id` status says which request was carried out."""

    id: str
    by: str
    time_ms: int


class Acceptance(msgspec.Struct, frozen=True):
    """Somebody's word that a held view may take over, and how much may go away by that: as much as was shown.

    `rebuild` is the id of the rebuild; so many zones and RRsets, and not more, may be missing in its view.
    """

    rebuild: str
    zones: int
    rrsets: int
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
    _leave(path, _NAME, msgspec.json.encode(request))
    return request


def accept(path: str, acceptance: Acceptance) -> None:
    """Leave the word that a held view may take over. Raises ViewFull, ViewError."""
    _leave(path, _ACCEPT, msgspec.json.encode(acceptance))


def accepted(path: str) -> Acceptance | None:
    """Read whether somebody has said that a held view may take over; what cannot be decoded says nothing."""
    try:
        with open(os.path.join(path, _ACCEPT), "rb") as file:
            return msgspec.json.decode(file.read(4096), type=Acceptance)
    except (OSError, msgspec.MsgspecError):
        return None


def withdraw_acceptance(path: str) -> None:
    """Remove the word after the swap, or where more would go away than was shown."""
    _remove(path, _ACCEPT)


def _leave(path: str, file_name: str, data: bytes) -> None:
    name = os.path.join(path, file_name)
    temporary = f"{name}.{secrets.token_hex(8)}"
    try:
        try:
            fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
            try:
                os.write(fd, data)
                os.fsync(fd)
            finally:
                os.close(fd)
            os.replace(temporary, name)
        finally:
            if os.path.exists(temporary):
                os.unlink(temporary)
    except OSError as err:
        raise disk_failure(path, err) from err


def withdraw(path: str) -> None:
    """Remove the request after it was carried out or refused."""
    _remove(path, _NAME)


def _remove(path: str, file_name: str) -> None:
    try:
        os.unlink(os.path.join(path, file_name))
    except OSError:
        pass  # It is not there, or the directory takes no change: then a rebuild more does no harm.
