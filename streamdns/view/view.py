"""The directory of a view: locks it, opens the generation that is served, and swaps in the one that a rebuild filled.

`current` names the served generation, a directory with one LMDB environment; `rebuild` names another one while it is
being filled, with the reason. Both files change by rename, so a process that is killed finds one state or the other.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import time
from typing import NamedTuple

import msgspec

from streamdns.errors import ViewCorrupt, ViewError, ViewLocked
from streamdns.runtime.durable import sync_directory
from streamdns.runtime.owner import acting_as_owner, open_unlinked
from streamdns.view import rebuild_request as request
from streamdns.view.store import Store, disk_failure

_LOCK, _CURRENT, _REBUILD = "lock", "current", "rebuild"
_LOCK_PATIENCE_S = 0.1
#: What a rebuild may need beyond the octets of the view that serves: its pages are filled in another order.
_MIB = 1 << 20
_MARGIN_PART, _MARGIN_BYTES = 8, 1 << 20


class Held(msgspec.Struct, frozen=True):
    """Why a rebuilt view does not take over yet, since when (ms), and what it would take away.

    `zones` and `rrsets` would go, of `zones_served` and `rrsets_served`; `added` RRsets would come, `changed` have
    other records.
    """

    reason: str
    since_ms: int
    zones: int
    rrsets: int
    zones_served: int
    rrsets_served: int
    added: int = 0
    changed: int = 0


class Rebuild(msgspec.Struct):
    """A rebuild under way: why and when (ms) it began, and the id of the request that asked for it ("" for none).

    `same_log`: the serving view comes from the same log, so it may be kept up to date meanwhile. `held`: it is filled,
    and did not take over at once.
    """

    generation: str
    reason: str
    begun_ms: int = 0
    request: str = ""
    same_log: bool = False
    held: Held | None = None

    @property
    def id(self) -> str:
        """The name of this rebuild and of no other: the number of a generation that was given up is used again."""
        return f"{self.generation}-{self.begun_ms}"


class Room(NamedTuple):
    """The room that a rebuild may need on the file system and the room that is free there, in octets."""

    need_bytes: int
    free_bytes: int

    def missing(self, path: str) -> str:
        """Say in one sentence why no rebuild can begin; "" when it can."""
        if self.free_bytes >= self.need_bytes:
            return ""
        return (
            f"a rebuild of the view in {path} may need {self.need_bytes / _MIB:.1f} MiB on the disk and "
            f"{self.free_bytes / _MIB:.1f} MiB are free there"
        )


class View:
    """The view that this process serves and writes; `store` is the served generation. One process at a time."""

    def __init__(self, path: str, *, max_bytes: int, holder: str) -> None:
        """Take the lock and open what is there, or a new empty generation.

        Raises ViewLocked, ViewTooNew, ViewError. A damaged generation is set aside: `damaged` says why. On a file
        system that is read-only what is there is served, and every attempt to write is a ViewFull until the next start.
        """
        self.path = path
        self.max_bytes = max_bytes
        self.damaged: str | None = None
        self.rebuilding: Store | None = None
        self.rebuild: Rebuild | None = None
        self.frozen = is_frozen(path)
        """Whether nothing can be written, for the file system is read-only."""
        self._lock = self._take_lock(holder)
        try:
            self.store = self._open_current()
            if not self.frozen:
                self._open_rebuild()
        except BaseException:
            os.close(self._lock)
            raise

    def _take_lock(self, holder: str) -> int:
        name = os.path.join(self.path, _LOCK)
        try:
            if self.frozen:
                fd = os.open(name if os.path.exists(name) else self.path, os.O_RDONLY | os.O_CLOEXEC)
            else:
                os.makedirs(self.path, mode=0o750, exist_ok=True)
                fd = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        except OSError as err:
            raise disk_failure(self.path, err) from err
        try:
            _lock(fd)
        except OSError as err:
            found = os.pread(fd, 200, 0).decode(errors="replace").strip() or "another process"
            os.close(fd)
            if err.errno not in (errno.EAGAIN, errno.EACCES):
                raise ViewError(f"the view's directory {self.path} cannot be locked: {err.strerror}") from err
            raise ViewLocked(self.path, found) from err
        try:
            os.ftruncate(fd, os.pwrite(fd, holder.encode(), 0))
        except OSError:
            pass  # The disk is full or read-only: the lock is held all the same, only without a name.
        return fd

    def _open_current(self) -> Store:
        name = current_generation(self.path)
        if name is not None:
            try:
                return self._open_intact(os.path.join(self.path, name))
            except ViewCorrupt as damage:
                self.damaged = str(damage)
        fresh = self._next_generation()
        store = Store(os.path.join(self.path, fresh), max_bytes=self.max_bytes)
        try:
            self._write(_CURRENT, fresh.encode())
        except BaseException:
            store.close()
            raise
        return store

    def _open_intact(self, path: str) -> Store:
        store = Store(path, max_bytes=self.max_bytes, readonly=self.frozen)
        try:
            if not store.outdated:
                store.state()
        except BaseException:
            store.close()
            raise
        return store

    def _next_generation(self) -> str:
        numbers = [int(name[5:]) for name in os.listdir(self.path) if name.startswith("view-") and name[5:].isdigit()]
        return f"view-{max(numbers, default=0) + 1:06d}"

    def _open_rebuild(self) -> None:
        try:
            marker = read_rebuild(self.path)
            path = os.path.join(self.path, marker.generation)
            # A process that was killed in the middle of swap() leaves the mark of a rebuild that is served now.
            asked = request.pending(self.path)
            if asked is not None and (marker.generation, marker.request) == (current_generation(self.path), asked.id):
                request.withdraw(self.path)
            if marker.generation not in self._others() or not os.path.exists(os.path.join(path, "data.mdb")):
                self.discard_rebuild()
                return
            store = self._open_intact(path)
        except (OSError, msgspec.MsgspecError, ViewError):
            self.discard_rebuild()
            return
        if store.outdated:
            store.close()
            self.discard_rebuild()
            return
        self.rebuilding, self.rebuild = store, marker

    @property
    def rebuild_reason(self) -> str:
        """The reason of the rebuild under way; "" where none is."""
        return "" if self.rebuild is None else self.rebuild.reason

    def room(self) -> Room:
        """Compute the room for a rebuild; nobody knows how much a damaged view needs, so it counts as empty."""
        return room_for(self.path, 0 if self.damaged is not None else self.store.used_bytes())

    def begin_rebuild(
        self, reason: str, begun_ms: int = 0, request_id: str = "", same_log: bool = False
    ) -> Store:
        """Create an empty generation beside the served one; an unfinished rebuild is discarded.

        Raises ViewFull, ViewError.
        """
        self.discard_rebuild()
        name = self._next_generation()
        store = Store(os.path.join(self.path, name), max_bytes=self.max_bytes)
        try:
            marker = Rebuild(name, reason, begun_ms, request_id, same_log)
            self._write(_REBUILD, msgspec.json.encode(marker))
        except BaseException:
            store.close()
            raise
        self.rebuilding, self.rebuild = store, marker
        return store

    def hold(self, held: Held) -> None:
        """Note that the rebuilt view does not take over yet, so that commands and the next start know it.

        Raises ViewFull, ViewError.
        """
        assert self.rebuild is not None
        self.rebuild.held = held
        self._write(_REBUILD, msgspec.json.encode(self.rebuild))

    def swap(self) -> None:
        """Serve the rebuilt generation from now on; `remove_others` then removes the old one.

        No transaction may be open. Raises ViewFull or ViewError, and then nothing has changed.
        """
        new = self.rebuilding
        assert new is not None
        self._write(_CURRENT, os.path.basename(new.path).encode())
        old, self.store, self.rebuilding, self.rebuild = self.store, new, None, None
        self.damaged = None
        old.close()
        request.withdraw_acceptance(self.path)
        request.withdraw(self.path)  # Also one that came while the rebuild was under way.

    def discard_rebuild(self) -> None:
        """Give up a rebuild that was begun, and remove every generation that is not served."""
        if self.rebuilding is not None:
            self.rebuilding.close()
            self.rebuilding, self.rebuild = None, None
        request.withdraw_acceptance(self.path)
        self.remove_others()

    def remove_others(self) -> None:
        """Remove every generation that is neither served nor being filled; takes a while where they are large."""
        if self.rebuilding is None:
            try:
                os.unlink(os.path.join(self.path, _REBUILD))
            except FileNotFoundError:
                pass
        for name in self._others():
            if self.rebuilding is None or name != os.path.basename(self.rebuilding.path):
                shutil.rmtree(os.path.join(self.path, name), ignore_errors=True)

    def _others(self) -> list[str]:
        served = os.path.basename(self.store.path)
        return [name for name in os.listdir(self.path) if name.startswith("view-") and name != served]

    def _write(self, name: str, data: bytes) -> None:
        try:
            _write_file(os.path.join(self.path, name), data)
        except OSError as err:
            raise disk_failure(self.path, err) from err

    def set_max_bytes(self, max_bytes: int) -> None:
        """Let the view grow up to so many octets from now on."""
        self.max_bytes = self.store.max_bytes = max_bytes
        if self.rebuilding is not None:
            self.rebuilding.max_bytes = max_bytes

    def close(self) -> None:
        """Close everything and give the lock back; a rebuild goes on at the next start."""
        if self.rebuilding is not None:
            self.rebuilding.close()
        self.store.close()
        os.close(self._lock)


def _lock(fd: int) -> None:
    """Take the lock of a view; waits a moment, because holder_of() in another process takes it briefly, too."""
    deadline_s = time.monotonic() + _LOCK_PATIENCE_S
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except OSError:
            if time.monotonic() > deadline_s:
                raise
            time.sleep(0.01)


def room_for(path: str, used_bytes: int) -> Room:
    """Compute the room that a rebuild of a view of so many octets may need (0 for an empty one), and what is free."""
    need_bytes = used_bytes + used_bytes // _MARGIN_PART + _MARGIN_BYTES if used_bytes else 0
    try:
        free = os.statvfs(path)
    except OSError as err:
        raise disk_failure(path, err) from err
    return Room(need_bytes, free.f_bavail * free.f_frsize)


def is_frozen(path: str) -> bool:
    """Whether there is a view, and its file system is read-only."""
    try:
        if current_generation(path) is None:
            return False
        if os.statvfs(path).f_flag & os.ST_RDONLY:
            return True
        # ext4 with errors=remount-ro stays mounted as rw after an error, and refuses to open anything for writing.
        os.close(open_unlinked(os.path.join(path, _LOCK), os.O_RDWR))
    except ViewError:
        return False
    except OSError as err:
        return err.errno == errno.EROFS
    return False


def current_generation(path: str) -> str | None:
    """Read the name of the served generation in a view's directory; None where there is none. Raises ViewError."""
    try:
        with open(open_unlinked(os.path.join(path, _CURRENT), os.O_RDONLY), encoding="ascii") as file:
            name = file.read().strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as err:
        raise ViewError(f"the view in {path} cannot be opened: {err}") from err
    return name if _is_generation(name) else None


def _is_generation(name: str) -> bool:
    return name.startswith("view-") and os.path.basename(name) == name


def read_rebuild(path: str) -> Rebuild:
    """Read what a view's directory says of the rebuild under way. Raises OSError where there is none, MsgspecError."""
    with open(open_unlinked(os.path.join(path, _REBUILD), os.O_RDONLY), "rb") as file:
        marker = msgspec.json.decode(file.read(), type=Rebuild)
    if not _is_generation(marker.generation):
        raise msgspec.ValidationError(f"{marker.generation!a} is no name of a generation")
    return marker


def open_readonly(path: str) -> Store:
    """Open the served generation read-only, with or without a running server; raises ViewError."""
    for _ in range(3):
        name = current_generation(path)
        if name is None:
            raise ViewError(f"there is no view in {path} yet: start the server once, or set DNS_PATHDB")
        try:
            return _opened_readonly(os.path.join(path, name))
        except ViewError:
            if current_generation(path) == name:  # else a rebuild was swapped in between
                raise
    raise ViewError(f"the view in {path} changes too often to be opened")


def open_rebuild_readonly(path: str) -> Store:
    """Open the generation that a rebuild fills read-only, with or without a running server; raises ViewError."""
    try:
        name = read_rebuild(path).generation
    except (OSError, msgspec.MsgspecError) as err:
        raise ViewError(f"there is no rebuild in {path} any more") from err
    return _opened_readonly(os.path.join(path, name))


def _opened_readonly(generation: str) -> Store:
    # LMDB opens its table of readers for writing, and makes it where it is missing.
    with acting_as_owner(generation):
        return Store(generation, max_bytes=1 << 40, readonly=True)


def holder_of(path: str) -> str | None:
    """Say which process holds the view, or None; needs no view and takes no lock for longer than a moment."""
    name = os.path.join(path, _LOCK)
    try:
        fd = open_unlinked(name, os.O_RDONLY if is_frozen(path) else os.O_RDWR)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return os.pread(fd, 200, 0).decode(errors="replace").strip()
    finally:
        os.close(fd)
    return None


def _write_file(path: str, data: bytes) -> None:
    temporary = path + ".new"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
    try:
        os.write(fd, data)
        os.fsync(fd)
    finally:
        os.close(fd)
    os.replace(temporary, path)
    sync_directory(os.path.dirname(path))
