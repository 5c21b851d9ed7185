"""Reads the embedded file log: whole lines as they are appended, and an alarm when the file was replaced or cut."""

from __future__ import annotations

import ctypes
import os
import stat
import struct
import time
from collections.abc import Callable, Mapping
from hashlib import blake2b
from io import BytesIO
from typing import Any, Final

import gevent
from gevent.event import Event

from streamdns.errors import LogReplaced, SourceError
from streamdns.events.batch import Batch, Partition, Record
from streamdns.runtime.turns import Stint, give_way
from streamdns.sources.filelog import MAX_LINE_BYTES, TOPIC, decode_line, is_directory, partition_files

CHUNK_BYTES: Final = 1 << 18  # Fits the cache of a core: faster than larger ones, and less memory.
MIN_CHUNK_BYTES: Final = 1 << 16
BATCH_BYTES: Final = 4 << 20
FIRST_LINE_BYTES: Final = 1 << 16  # As much of the first line as tells one log from another.
LONG_LINE_KEPT_BYTES: Final = 4096
#: A line that is longer is read and decoded by itself, in several turns of the event loop.
LONG_LINE_BYTES: Final = 1 << 16
#: Lines that are decoded before it is looked whether the time of this turn is over, and that time: reading a long log
#: would lose a tenth with turns as short as they are elsewhere.
LINES_AT_ONCE: Final = 128
STINT_S: Final = 0.000_3

_IN_MODIFY, _IN_ATTRIB, _IN_MOVED_FROM, _IN_MOVED_TO, _IN_CREATE = 0x2, 0x4, 0x40, 0x80, 0x100
_IN_DELETE, _IN_DELETE_SELF, _IN_MOVE_SELF = 0x200, 0x400, 0x800
_OF_FILE: Final = _IN_MODIFY | _IN_ATTRIB | _IN_DELETE_SELF | _IN_MOVE_SELF
_OF_DIRECTORY: Final = _IN_CREATE | _IN_MOVED_TO | _IN_MOVED_FROM | _IN_DELETE | _IN_DELETE_SELF | _IN_MOVE_SELF
_NOTICE = struct.Struct("iIII")  # inotify_event without its name: watch, mask, cookie, length of the name

_libc = ctypes.CDLL(None, use_errno=True)


class _Watch:
    """Waits for changes of files and directories (inotify); on kernels without it, only for the time to pass.

    `blind` says that some changes give no notice, because a limit of the kernel on watches is reached.
    """

    def __init__(self) -> None:
        self._fd: int = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        self._io = gevent.get_hub().loop.io(self._fd, 1) if self._fd >= 0 else None
        self._awake = Event()
        self._closed = False
        self.blind = self._fd < 0

    def add(self, path: str, mask: int) -> int:
        """Watch what is at `path` now; gives -1 where that cannot be done."""
        watch: int = _libc.inotify_add_watch(self._fd, os.fsencode(path), mask) if self._fd >= 0 else -1
        self.blind = self.blind or watch < 0
        return watch

    def remove(self, watch: int) -> None:
        if watch >= 0 and self._fd >= 0:
            _libc.inotify_rm_watch(self._fd, watch)

    def drain(self) -> int:
        """Give what happened since the last call: the masks of all notices in one, 0 for nothing."""
        happened = 0
        while self._fd >= 0:
            try:
                notices = os.read(self._fd, 1 << 16)
            except BlockingIOError:
                break
            at = 0
            while at < len(notices):
                _, mask, _, name_bytes = _NOTICE.unpack_from(notices, at)
                happened |= mask
                at += _NOTICE.size + name_bytes
        return happened

    def wait(self, timeout_s: float) -> None:
        """Wait until there is a notice to drain, until `close`, or for `timeout_s`."""
        if self._closed:
            return
        self._awake.clear()
        if self._io is not None:
            self._io.start(self._awake.set)
        try:
            self._awake.wait(timeout_s)
        finally:
            if self._io is not None:
                self._io.stop()

    def close(self) -> None:
        self._closed = True
        if self._io is not None:
            self._io.stop()
            self._io.close()
            self._io = None
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        self._awake.set()


class _Tail:
    """Reads one partition file: `offset` is behind the last line read from it, `position` behind the last one given."""

    def __init__(self, path: str, number: int, position: int) -> None:
        self.number, self.path = number, path
        self.offset = self.position = position
        self.first_line = b""  # up to FIRST_LINE_BYTES of it, once it is complete
        self.watch = -1
        self._lines: list[bytes] = []
        self._given = 0
        self._long_bytes = 0  # length of the line in _lines where it is one that was too long to hold
        self._scanned = 0  # how far the end of such a line was looked for
        self._seen = (-1, -1)
        self._fd = self._open()

    def _open(self) -> int:
        fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            os.close(fd)
            raise SourceError(f"{self.path} is not a regular file")
        self._file = (status.st_dev, status.st_ino)
        return fd

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def fingerprint(self) -> str:
        """Hash of the first line, "" before there is one."""
        return blake2b(self.first_line, digest_size=16).hexdigest() if self.first_line else ""

    def reopen_if_moved(self) -> bool:
        """Go on with the file that is at the path now, if that is another one; tells whether it is."""
        status = os.stat(self.path)
        if (status.st_dev, status.st_ino) == self._file:
            return False
        self.close()
        self._fd = self._open()
        self._scanned = 0
        return True

    def changed(self) -> bool:
        """Tell whether the file was written to since the last call."""
        status = os.fstat(self._fd)
        seen, self._seen = self._seen, (status.st_size, status.st_mtime_ns)
        return seen != self._seen

    def verify(self, fingerprint: str | None = None) -> None:
        """Raise LogReplaced unless what was read so far still is what the file begins with, as far as one can tell."""
        size = os.fstat(self._fd).st_size
        if size < self.offset:
            raise LogReplaced(f"{self.path} shrank: it has {size} bytes and was read up to {self.offset}")
        if size < self._scanned:
            self._scanned = 0
        if self.offset == 0:
            return
        first_line = os.pread(self._fd, len(self.first_line) or FIRST_LINE_BYTES, 0)
        if not self.first_line:
            self.first_line = first_line[: first_line.find(b"\n") + 1] or first_line
            same = not fingerprint or fingerprint == self.fingerprint()
        else:
            same = first_line == self.first_line
        if not same:
            raise LogReplaced(f"the first line of {self.path} is not the one that was read before")
        if os.pread(self._fd, 1, self.offset - 1) != b"\n":
            raise LogReplaced(f"position {self.offset} of {self.path} is no longer the start of a line")

    def take(self, records: list[Record], room: int, chunk_bytes: int, pause: Callable[[], None]) -> bool:
        """Add up to `room` records; False when all lines that are complete were given and the read at the end failed.

        Reads at most one chunk or one long line, so it may add fewer or none and still return True. `pause` is called
        between the steps of what is long.
        """
        if self._given >= len(self._lines) and not self._fill(chunk_bytes, pause):
            return False
        lines = self._lines[self._given : self._given + min(room, LINES_AT_ONCE)]
        self._given += len(lines)
        number, position = self.number, self.position
        if self._long_bytes:
            reason = f"the line is {self._long_bytes} bytes long, more than {MAX_LINE_BYTES}"
            records.append(Record(TOPIC, number, position, 0, None, lines[0], reason))
            position += self._long_bytes + 1
            self._long_bytes = 0
        else:
            append = records.append
            for line in lines:
                record = decode_line(line, number, position, pause if len(line) > LONG_LINE_BYTES else None)
                if record is not None:
                    append(record)
                position += len(line) + 1
        self.position = position
        if self._given >= len(self._lines):
            self._lines, self._given = [], 0
        return True

    def _fill(self, chunk_bytes: int, pause: Callable[[], None]) -> bool:
        """Read the next lines; False at the end. A torn last line is not kept: it is read again when it has its end."""
        if self._scanned:
            return self._skip(chunk_bytes)
        data = os.pread(self._fd, chunk_bytes, self.offset)
        cut = data.rfind(b"\n")
        if cut < 0 and len(data) == chunk_bytes:
            return self._long_line(data, pause)
        if cut < 0:
            return False
        if self.offset == 0:
            self.first_line = data[: min(data.find(b"\n") + 1, FIRST_LINE_BYTES)]
        self._lines = data[:cut].split(b"\n")
        self.offset += cut + 1
        return True

    def _long_line(self, data: bytes, pause: Callable[[], None]) -> bool:
        """Read on behind a chunk without a newline, in as large chunks, to the next one or to MAX_LINE_BYTES.

        A megabyte takes a part of a turn each time that it is copied, so it is put together as it is read.
        """
        start, chunk_bytes = data[:FIRST_LINE_BYTES], len(data)
        line = BytesIO()
        octets = line.write(data)
        while octets <= MAX_LINE_BYTES:
            pause()
            data = os.pread(self._fd, min(chunk_bytes, MAX_LINE_BYTES + 1 - octets), self.offset + octets)
            end = data.find(b"\n")
            if end >= 0:
                line.write(data[:end])
                if self.offset == 0:
                    self.first_line = start
                self._lines = [line.getvalue()]
                self.offset += octets + end + 1
                return True
            if not data:
                return False
            octets += line.write(data)
        self._scanned = self.offset + octets
        return True

    def _skip(self, chunk_bytes: int) -> bool:
        """Skip a line that is too long to hold; gives False when the file ends before the line does."""
        data = os.pread(self._fd, chunk_bytes, self._scanned)
        at = data.find(b"\n")
        if at < 0:
            self._scanned += len(data)
            return bool(data)
        if self.offset == 0:
            self.first_line = os.pread(self._fd, FIRST_LINE_BYTES, 0)
        self._lines = [os.pread(self._fd, LONG_LINE_KEPT_BYTES, self.offset)]
        self._long_bytes = self._scanned + at - self.offset
        self.offset, self._scanned = self._scanned + at + 1, 0
        return True

    def end(self) -> int:
        """Give the offset behind the last newline that is in the file now."""
        size = os.fstat(self._fd).st_size
        known = max(self.offset, self._scanned)
        while size > known:
            start = max(known, size - MIN_CHUNK_BYTES)
            cut = os.pread(self._fd, size - start, start).rfind(b"\n")
            if cut >= 0:
                return start + cut + 1
            size = start
        return self.offset


class FileSource:
    """The file log at `path` (see filelog.py) as a Source; a file that does not exist yet is an empty log.

    `check_s`: how often the files are looked at without any notice of the kernel, for file systems that give none.
    `wakeups` counts how often a waiting read had another look.
    """

    unit = "octets"
    retention_s: float | None = None

    def __init__(self, path: str, *, check_s: float = 1.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._path, self._check_s, self._clock = path, check_s, clock
        self._tails: dict[int, _Tail] = {}
        self._watch: _Watch | None = None
        self._place_watch = -1
        self._checked = 0.0
        self._turn = 0
        self._caught_up = False
        self.wakeups = 0

    def connect(self, positions: Mapping[Partition, int], fingerprints: Mapping[Partition, str]) -> None:
        """As Source.connect: also a position that is not at the start of a line raises LogReplaced."""
        self.close()
        started = {partition: position for partition, position in positions.items() if position > 0}
        foreign = sorted(topic for topic, _ in started if topic != TOPIC)
        if foreign:
            raise LogReplaced(f"the positions are of topic {foreign[0]}, which a file log does not have")
        self._watch = watch = _Watch()
        known = {number: fingerprint for (topic, number), fingerprint in fingerprints.items() if topic == TOPIC}
        connected = False
        try:
            self._scan(watch, {number: position for (_, number), position in started.items()}, known)
            connected = True
        except OSError as error:
            raise self._failure(error) from error
        finally:
            if not connected:
                self.close()
        self._checked = self._clock()
        self._caught_up = False

    def fingerprints(self) -> dict[Partition, str]:
        """As Source.fingerprints: a hash of the first line of every partition that has a complete one."""
        return {(TOPIC, number): tail.fingerprint() for number, tail in self._tails.items() if tail.first_line}

    def read(self, *, max_records: int, timeout_s: float) -> Batch:
        """As Source.read; it returns at once, too, when it finds the end for the first time."""
        deadline = self._clock() + timeout_s
        positions: dict[Partition, int] = {}
        while True:
            watch = self._watch
            if watch is None:
                raise SourceError(f"the file log {self._path} is not open")
            try:
                self._look(watch)
                records, at_end = self._collect(max_records, positions)
            except OSError as error:
                raise self._failure(error) from error
            # At the end of every file nothing that connect saw there can be unread: files that shrink are an error.
            first = at_end and not self._caught_up
            self._caught_up = self._caught_up or at_end
            left_s = deadline - self._clock()
            if records or first or left_s <= 0:
                return Batch(records, positions, at_end)
            if at_end:
                watch.wait(min(left_s, self._check_s))
                self.wakeups += 1

    def ends(self) -> dict[Partition, int]:
        """As Source.ends; of the partition files picked up so far."""
        try:
            return {(TOPIC, number): tail.end() for number, tail in self._tails.items()}
        except OSError as error:
            raise self._failure(error) from error

    def ends_now(self) -> dict[Partition, int]:
        """As Source.ends_now: files are always asked."""
        return self.ends()

    def close(self) -> None:
        """As Source.close; a read that waits in another greenlet ends with SourceError."""
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.close()
        for tail in self._tails.values():
            tail.close()
        self._tails = {}
        self._place_watch = -1

    def describe(self) -> str:
        blind = self._watch is not None and self._watch.blind
        return f"file log {self._path}" + (f" (looked at every {self._check_s:g} s: no inotify)" if blind else "")

    def details(self) -> dict[str, Any]:
        """As Source.details: there is nothing more to say about a file."""
        return {"warnings": []}

    def _failure(self, error: OSError) -> SourceError:
        return SourceError(f"cannot read {error.filename or self._path}: {error.strerror}")

    def _look(self, watch: _Watch) -> None:
        """Pick up what happened to the files since the last look."""
        happened = watch.drain()
        now = self._clock()
        if happened & ~_IN_MODIFY or now - self._checked >= self._check_s:
            self._scan(watch, {}, {})
            self._checked = now
        elif happened:
            for tail in self._tails.values():
                if tail.changed():
                    tail.verify()

    def _scan(self, watch: _Watch, positions: Mapping[int, int], fingerprints: Mapping[int, str]) -> None:
        """Add partition files that are new and verify the others; LogReplaced where one is gone or was replaced."""
        self._watch_place(watch)
        files = partition_files(self._path)
        for number in [number for number in self._tails if number not in files]:
            if self._tails[number].offset:
                raise LogReplaced(f"{self._tails[number].path} is gone")
            self._tails.pop(number).close()
        for number in positions:
            if number not in files:
                raise LogReplaced(f"{self._path} has no partition {number}, which was read up to {positions[number]}")
        for number, path in files.items():
            tail = self._tails.get(number)
            if tail is None:
                tail = self._tails[number] = _Tail(path, number, positions.get(number, 0))
                tail.watch = watch.add(path, _OF_FILE)
            elif tail.reopen_if_moved():
                watch.remove(tail.watch)
                tail.watch = watch.add(path, _OF_FILE)
            tail.verify(fingerprints.get(number))

    def _watch_place(self, watch: _Watch) -> None:
        """Watch the directory that the log is in; before there is one, the nearest directory above."""
        place = os.path.abspath(self._path)
        if not is_directory(self._path):
            place = os.path.dirname(place)
        while not os.path.isdir(place):
            place = os.path.dirname(place)
        added = watch.add(place, _OF_DIRECTORY)
        if added != self._place_watch:
            watch.remove(self._place_watch)
        self._place_watch = added

    def _collect(self, max_records: int, positions: dict[Partition, int]) -> tuple[list[Record], bool]:
        """Read all partitions in fair shares; tells, too, whether a read at the end of each returned nothing."""
        records: list[Record] = []
        if not self._tails:
            return records, True
        self._turn = (self._turn + 1) % len(self._tails)
        everyone = list(self._tails.values())
        tails = everyone[self._turn :] + everyone[: self._turn]
        chunk_bytes = max(CHUNK_BYTES // len(tails), MIN_CHUNK_BYTES)
        taken_bytes = 0
        stint = Stint(STINT_S)
        while tails and len(records) < max_records and taken_bytes < BATCH_BYTES:
            share = max(1, (max_records - len(records)) // len(tails))
            before = len(records)
            for tail in list(tails):
                room = min(share, max_records - len(records))
                if room <= 0:
                    break
                start = tail.position
                if not tail.take(records, room, chunk_bytes, stint):
                    tails.remove(tail)
                elif tail.position > start:
                    positions[TOPIC, tail.number] = tail.position
                    taken_bytes += tail.position - start
                stint()
            if tails and len(records) == before:
                give_way()  # A very long line or blank ones: others have their turn between chunks.
        return records, not tails
