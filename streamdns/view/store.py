"""One LMDB environment with the tables of a view: opens it, checks its schema, grows it. No other module opens LMDB."""

from __future__ import annotations

import errno
import itertools
import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol, TypeAlias, TypeVar

import lmdb
import msgspec

from streamdns.errors import ViewCorrupt, ViewError, ViewFull, ViewTooNew
from streamdns.runtime.durable import sync_directory
from streamdns.view.commits import last_commit_of
from streamdns.view.file_length import check_whole
from streamdns.view.lookups import reads_map

#: Values are bytes, copied out of the map: none outlives its transaction as a view into it.
Transaction: TypeAlias = "lmdb.Transaction[bytes]"
#: Values are views into the map, for view/lookups.py alone.
Mapped: TypeAlias = "lmdb.Transaction[memoryview[int]]"
Table: TypeAlias = "lmdb._Database"  # noqa: SLF001 - the name its type has in the stubs

SCHEMA = 2
#: Which events are good, and what one means: a view that was made by other rules is made anew beside itself.
RULES = 3
TABLES = ("nodes", "cuts", "zones", "candidates", "conflicts", "quarantine", "rejected", "journal", "positions", "meta",
          "aside")
_T = TypeVar("_T")
#: After how many events, or as much work, a thread that writes lets others have the interpreter: some 0.1 ms.
OTHERS_AFTER: Final = 16
_FIRST_MAP_BYTES = 256 << 20
_UNSYNCED = "unsynced"
_BOOT_ID = "/proc/sys/kernel/random/boot_id"
_MAX_READERS = 1024
#: What LMDB needs for its table of so many readers, rounded up; a larger file means room for more readers.
_LOCK_BYTES = 64 * _MAX_READERS + 4096


class Kept(Protocol):
    """A snapshot that is used for more than one batch of queries: as long as its `commit` is the last one."""

    commit: int

    def end(self) -> None:
        """End its transaction as soon as nobody uses it."""


class MapFull(ViewFull):
    """The map has reached its size; a larger one helps, which is not so where the disk is full."""


class State(msgspec.Struct, array_like=True):
    """The counters of a view, stored with each commit; `*_depths` map numbers of labels to numbers of cuts or zones.

    Entries of the journal before number `journal_filled` come from the fill of the view and are no changes of the data;
    since `journal_since_ms` there is an entry for each change. -1: not known, a view that an older version made.
    """

    digest: bytes = b"\0" * 32
    nodes: int = 0
    rrsets: int = 0
    records: int = 0
    zones: int = 0
    cut_depths: dict[int, int] = {}
    zone_depths: dict[int, int] = {}
    topics: list[str] = []
    journal_next: int = 0
    journal_size: int = 0
    quarantine_next: int = 0
    quarantined: int = 0
    candidate_rows: int = 0
    conflicts: int = 0
    applied: int = 0
    rejected: int = 0
    complete: bool = False
    default_ttl: int = -1
    pending_zones: list[bytes] = []
    last_event_ms: int = 0
    rules: int = 1
    journal_filled: int = -1
    journal_since_ms: int = 0
    fence: str = ""


class Position(msgspec.Struct, array_like=True):
    """The position in a partition where reading goes on, its log's fingerprint, and its last event's timestamp (ms)."""

    next: int
    fingerprint: str = ""
    timestamp: int = 0


encode_state = msgspec.msgpack.Encoder().encode
decode_state = msgspec.msgpack.Decoder(State).decode
decode_position = msgspec.msgpack.Decoder(Position).decode


_serials = itertools.count()


class Store:
    """An open environment; `tables` are handles by name. Raises ViewTooNew, ViewCorrupt, ViewFull, ViewError.

    A new one is `unsynced` until `make_durable`: its commits do not wait for the disk, because should the machine go
    down meanwhile, it is given up and filled anew. A file beside it holds the id of the boot in which it was begun.
    `last_commit` gives the number of the last commit, whichever process made it; `kept` is the snapshot for answers
    since then (`kept_snapshot`).
    """

    def __init__(
        self, path: str, *, max_bytes: int, readonly: bool = False, first_map_bytes: int | None = None
    ) -> None:
        """Open it; a map that is read-only is as large as the writer's unless `first_map_bytes` says more."""
        self.path = path
        self.serial = next(_serials)
        self.max_bytes = max_bytes
        self.outdated = False
        self.readonly = readonly
        self._writing = 0
        self.kept: Kept | None = None
        self.pinned = 0
        """How many transactions read the map that must not be moved: another process's growth waits for them."""
        self.unsynced = False
        if not readonly:
            _reserve_lock_file(path)
            self.unsynced = _is_unsynced(path)
        try:
            check_whole(path)
        except OSError as err:
            raise disk_failure(path, err) from err
        if readonly:
            self._open(first_map_bytes or 0)
        else:
            self._open(self._initial_map(path, first_map_bytes or _FIRST_MAP_BYTES))

    def _open(self, map_bytes: int) -> None:
        path, readonly = self.path, self.readonly
        try:
            self.env = lmdb.open(
                path,
                map_size=map_bytes,
                max_dbs=len(TABLES),
                readonly=readonly,
                create=not readonly,
                max_readers=_MAX_READERS,
                readahead=False,
                sync=not self.unsynced,
                # A crash of the machine may undo the last commits, never half of one: their events are read again.
                metasync=False,
                max_spare_txns=4,
                mode=0o640,
            )
        except (lmdb.VersionMismatchError, lmdb.InvalidError, lmdb.CorruptedError) as err:
            raise ViewCorrupt(f"{path} is not a readable LMDB environment: {err}") from err
        except lmdb.Error as err:
            raise _failure(path, err) from err
        try:
            with reported(path):
                self._open_tables(readonly)
                self.last_commit = last_commit_of(path, int(self.env.stat()["psize"]))
        except BaseException as err:
            self.env.close()
            if isinstance(err, OSError):
                raise disk_failure(path, err) from err
            raise

    def _initial_map(self, path: str, first_map_bytes: int) -> int:
        try:
            used = os.path.getsize(os.path.join(path, "data.mdb"))
        except OSError:
            used = 0
        size = min(first_map_bytes, self.max_bytes)
        while size < used:
            size *= 2
        return max(size, used)

    def _open_tables(self, readonly: bool) -> None:
        self.check_readers()
        try:
            self.tables = {name: self.env.open_db(name.encode(), create=not readonly) for name in TABLES[:-1]}
        except lmdb.NotFoundError as err:
            raise ViewCorrupt(f"{self.path} holds no view") from err
        try:
            self.tables["aside"] = self.env.open_db(b"aside", create=not readonly)
        except lmdb.NotFoundError:
            self.tables["aside"] = self.tables["meta"]  # Of an older version, which had none: no key there is one here.
        self.nodes, self.cuts, self.meta = self.tables["nodes"], self.tables["cuts"], self.tables["meta"]
        with self.env.begin(buffers=True) as mapped:
            self.in_map = reads_map(mapped, b"nodes")
            """Whether answers are looked up straight in the map."""
        with self.env.begin(db=self.meta) as txn:
            stored = txn.get(b"schema")
        if stored is None and not readonly:
            with self.env.begin(db=self.meta, write=True) as txn:
                txn.put(b"schema", b"%d" % SCHEMA)
            return
        schema = int(stored or b"0")
        if schema > SCHEMA:
            raise ViewTooNew(
                f"the view in {self.path} has schema {schema}, this version knows up to {SCHEMA}: install the newer "
                "streamdns again, or move DNS_PATHDB away and have the view made anew from the log"
            )
        self.outdated = schema < SCHEMA

    def begin(self, *, write: bool = False) -> Transaction:
        """Begin a transaction, after adopting the map's new size if another process has grown it.

        Raises lmdb.MapResizedError where that cannot be: a transaction that is open would read memory that is gone.
        """
        return self._begun(lambda: self.env.begin(write=write))

    def begin_mapped(self) -> Mapped:
        """As begin(), for reading; what it gives is to be left alone when it has ended, or the map has grown."""
        return self._begun(lambda: self.env.begin(buffers=True))

    def _begun(self, begin: Callable[[], _T]) -> _T:
        try:
            return begin()
        except lmdb.MapResizedError:
            if self.pinned:
                raise
            self.env.set_mapsize(0)
            return begin()

    @property
    def writes(self) -> bool:
        """Whether a thread is writing."""
        return self._writing > 0

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Surround all use of a write transaction: LMDB's errors become ViewError and its subclasses."""
        self._writing += 1
        try:
            with reported(self.path):
                yield
        finally:
            self._writing -= 1

    def let_go(self, *, outdated_alone: bool = False) -> None:
        """Keep the snapshot no longer: it holds pages that could be used again, and the map must stay as it is.

        `outdated_alone`: only where something was committed since.
        """
        kept = self.kept
        if kept is not None and not (outdated_alone and kept.commit == self.last_commit()):
            self.kept = None
            kept.end()

    def check_readers(self) -> None:
        """Clear readers whose processes died: their snapshots would keep old pages from being used again."""
        with reported(self.path):
            self.env.reader_check()

    def flush(self) -> None:
        """Write everything to the disk; takes a while after a fill."""
        with reported(self.path):
            self.env.sync(True)

    def make_durable(self) -> None:
        """Make every commit from now on wait for the disk; `flush` first, in the native thread, since it takes a while.

        No transaction may be open in this process.
        """
        if not self.unsynced:
            return
        self.let_go()
        self.flush()
        map_bytes = self.map_bytes()
        try:
            os.unlink(os.path.join(self.path, _UNSYNCED))
            sync_directory(self.path)
        except OSError as err:
            raise disk_failure(self.path, err) from err
        self.unsynced = False
        self.env.close()
        self._open(map_bytes)

    def state(self) -> State:
        """Read the counters as of the last commit."""
        with reported(self.path), self.begin() as txn:
            return self.state_in(txn)

    def state_in(self, txn: Transaction) -> State:
        """Read the counters as a transaction sees them; raises ViewCorrupt."""
        stored = txn.get(b"state", db=self.meta)
        try:
            return State() if stored is None else decode_state(stored)
        except msgspec.MsgspecError as err:
            raise ViewCorrupt(f"the view in {self.path} is damaged: its counters cannot be read") from err

    def grow(self) -> bool:
        """Double the map; returns False if it has reached its limit. No transaction may be open in this process."""
        size = self.map_bytes()
        if size >= self.max_bytes:
            return False
        self.let_go()
        self.env.set_mapsize(min(2 * size, self.max_bytes))
        return True

    def map_bytes(self) -> int:
        """Return the size of the map."""
        return int(self.env.info()["map_size"])

    def used_bytes(self) -> int:
        """Return how many octets of the file hold pages."""
        info, page = self.env.info(), self.env.stat()["psize"]
        return (int(info["last_pgno"]) + 1) * int(page)

    def close(self) -> None:
        """Close the environment; no snapshot may be open.

        While a native thread still writes it stays open: the thread would write into memory that is gone. Nothing is
        lost, for LMDB holds what was committed, and the process that does this is about to end.
        """
        self.let_go()
        if not self.writes:
            self.env.close()


#: EIO too: a write that was cut short by a full disk is reported by LMDB as that. EFBIG: a limit of the process.
#: EROFS: a disk that failed and was mounted again for reading alone (errors=remount-ro).
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG, errno.EROFS)


def disk_failure(path: str, err: OSError) -> ViewError:
    """Turn an error of the operating system into ViewFull where there is no room, else into ViewError."""
    what = os.strerror(err.errno or 0).lower()
    if err.errno in _NO_ROOM:
        return ViewFull(f"the disk of the view in {path} is full or fails: {what}")
    return ViewError(f"the view's directory {path} cannot be used: {what}")


def _reserve_lock_file(path: str) -> None:
    """Allocate LMDB's table of readers on the disk: it is written through a map, and without room that is SIGBUS."""
    name = os.path.join(path, "lock.mdb")
    try:
        os.makedirs(path, mode=0o750, exist_ok=True)
        # Looked at first: to open and close the file of an environment that is open would give up LMDB's own locks.
        if not os.path.exists(name) or os.stat(name).st_blocks * 512 < _LOCK_BYTES:
            fd = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
            try:
                os.posix_fallocate(fd, 0, _LOCK_BYTES)
            finally:
                os.close(fd)
    except OSError as err:
        raise disk_failure(path, err) from err


def _is_unsynced(path: str) -> bool:
    """Return whether commits need not wait for the disk: in a new environment, and in one begun so during this boot.

    Raises ViewCorrupt for one begun so before the machine went down: nobody knows which of its pages reached the disk.
    """
    mark = os.path.join(path, _UNSYNCED)
    try:
        with open(_BOOT_ID, encoding="ascii") as file:
            boot = file.read().strip()
        if not os.path.exists(os.path.join(path, "data.mdb")):
            with open(mark, "w", encoding="ascii") as file:
                file.write(boot)
                file.flush()
                os.fsync(file.fileno())
            sync_directory(path)
            return True
        with open(mark, encoding="ascii") as file:
            begun = file.read().strip()
    except FileNotFoundError:
        return False  # Made durable; or there is no /proc, and then every commit waits.
    except OSError as err:
        raise disk_failure(path, err) from err
    if begun != boot:
        raise ViewCorrupt(f"the view in {path} was being filled when the machine went down")
    return True


def _failure(path: str, err: lmdb.Error) -> ViewError:
    text = str(err)
    if isinstance(err, lmdb.ReadonlyError):
        return ViewFull(f"the file system of the view in {path} was read-only at the start, and is not written to")
    if isinstance(err, lmdb.MapFullError):
        return MapFull(f"the view in {path} has reached its map size")
    if isinstance(err, lmdb.DiskError) or any(os.strerror(number) in text for number in _NO_ROOM):
        return ViewFull(f"the disk of the view in {path} is full or fails: {text}")
    if isinstance(err, (lmdb.CorruptedError, lmdb.PageNotFoundError, lmdb.PanicError)):
        return ViewCorrupt(f"the view in {path} is damaged: {text}")
    return ViewError(f"the view in {path}: {text}")


@contextmanager
def reported(path: str) -> Iterator[None]:
    """Turn LMDB's errors into ViewError, ViewFull or ViewCorrupt, and rows that cannot be decoded into the last."""
    try:
        yield
    except lmdb.Error as err:
        raise _failure(path, err) from err
    except (msgspec.MsgspecError, struct.error) as err:
        raise ViewCorrupt(f"the view in {path} is damaged: {err}") from err
