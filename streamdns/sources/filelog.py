"""The format of the embedded file log: parses its lines, and appends events to it.

The log is one file (partition 0) or a directory of `<partition>.jsonl` files. An event is one line,
`{"key": ..., "value": array | null | "raw text of the payload", "timestamp": ms}`, and its position is the byte offset
of that line.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import zlib
from bisect import bisect_right
from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Final

import msgspec

from streamdns.errors import SourceError
from streamdns.events.batch import Record
from streamdns.events.plain import line_decoder
from streamdns.runtime.durable import sync_directory
from streamdns.runtime.owner import acting_as_owner, has_one_name, open_unlinked
from streamdns.sources.line_fields import MAX_TIMESTAMP_MS, decode_fields

TOPIC: Final = "file"
MAX_LINE_BYTES: Final = 8 << 20  # A longer line is a bad event: nobody has to hold it in memory.
WRITE_BYTES: Final = 1 << 20

_TEXT_BYTES: Final = 1 << 16  # of a long string that are decoded at a time
_MOST_OF_PAIR: Final = 12  # octets of two escapes that are one character
_MOST_SLASHES: Final = 64  # that stand together and are looked at one by one
_LOW_SURROGATE: Final = re.compile(rb"\\u[dD][c-fC-F]")

_FILE_NAME: Final = re.compile(r"([0-9]{1,10})\.jsonl", re.ASCII)


# Bound here: what comes from a module that is not compiled is looked up at each use.
_decode_fields: Final = decode_fields
_new_record: Final = tuple.__new__  # Half the time of the class's own.
_decode_text: Final = msgspec.json.Decoder(str).decode
_decode_plain: Final = line_decoder(Record, TOPIC)  # Lines that are plain, where that is compiled.
_decode_array: Final = msgspec.json.Decoder(list[object]).decode


def decode_line(
    line: bytes, partition: int, position: int, pause: Callable[[], None] | None = None
) -> Record | None:
    """Parse one line (without its newline) into a record; None for a line of white space only. Never raises.

    `pause` is for long lines: it is called before each of the steps, which go through all of the line.
    """
    if pause is not None:
        pause()
    if _decode_plain is not None:
        record = _decode_plain(line, partition, position)
        if record is not None:
            return record
    try:
        event = _decode_fields(line)
        if pause is not None:
            pause()
        if not line.isascii():
            line.decode()  # The decoder passes values through unread.
        key, value = event.key, bytes(event.value)
        if pause is not None:
            pause()
        first = value[:1]
        if first == b"[":
            payload: bytes | None = value
        elif first == b"n":
            payload = None
        elif first == b'"':
            payload = _long_text(value, pause) if pause is not None else _decode_text(value).encode()
        elif first:
            payload = value  # Not for a log to judge: whoever decodes the event rejects it.
        else:
            return Record(TOPIC, partition, position, 0, None, line, 'the line has no "value"')
        name = key.encode() if key is not None else None
        return _new_record(Record, (TOPIC, partition, position, event.timestamp or 0, name, payload, None, "entry"))
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return Record(TOPIC, partition, position, 0, None, line, _reason(line)) if line.strip() else None


def _long_text(value: bytes, pause: Callable[[], None]) -> bytes:
    """Decode a JSON string in pieces, with a pause before each; raises DecodeError."""
    text = BytesIO()
    at, last = 1, len(value) - 1
    while at < last:
        end = last if last - at <= _TEXT_BYTES else _between_escapes(value, at, at + _TEXT_BYTES)
        if end == at:
            end = last
        pause()
        text.write(_decode_text(b'"%b"' % value[at:end]).encode())
        at = end
    return text.getvalue()


def _between_escapes(value: bytes, at: int, end: int) -> int:
    """Find where a string may be cut, at or shortly before `end`: `at`, which is such a place, where there is no other.

    Neither an escape nor a pair of them (surrogates) nor a character is cut.
    """
    while True:
        slash = value.rfind(b"\\", at, end)
        if slash < end - _MOST_OF_PAIR:
            while value[end] & 0xC0 == 0x80:
                end -= 1
            return end
        # Here an escape begins, if this is the first of the backslashes that stand together.
        end = slash
        while end > at and value[end - 1] == 0x5C:
            end -= 1
        if slash - end > _MOST_SLASHES:
            return at
        if end == at or _LOW_SURROGATE.match(value, end) is None:
            return end


def _reason(line: bytes) -> str:
    try:
        line.decode()
        event = msgspec.json.decode(line)
    except UnicodeDecodeError as error:
        return f"the line is not UTF-8 at byte {error.start}"
    except RecursionError:
        return "the line is nested too deep"
    except msgspec.DecodeError as error:
        return f"the line is not valid JSON ({str(error).removeprefix('JSON is malformed: ')})"
    if not isinstance(event, dict):
        return "the line is not a JSON object"
    if not isinstance(event.get("key"), str | None):
        return "the key is neither a string nor null"
    return f"the timestamp is not an integer from 0 to {MAX_TIMESTAMP_MS}"


def encode_line(key: bytes, value: bytes | None, timestamp_ms: int) -> bytes:
    """Write one event as a line with its newline; ValueError, in one sentence, for what the file log cannot carry."""
    try:
        name = key.decode()
    except UnicodeDecodeError:
        raise ValueError(f"the file log cannot carry the key {key!r}: it is not UTF-8") from None
    if not 0 <= timestamp_ms <= MAX_TIMESTAMP_MS:
        raise ValueError(f"the timestamp {timestamp_ms} of {name} is not from 0 to {MAX_TIMESTAMP_MS}")
    try:
        payload = b"null" if value is None else _encode_payload(value)
    except UnicodeDecodeError:
        raise ValueError(f"the file log cannot carry the payload of {name}: it is not UTF-8") from None
    line = b'{"key":%b,"value":%b,"timestamp":%d}\n' % (json.dumps(name).encode(), payload, timestamp_ms)
    if len(line) > MAX_LINE_BYTES:
        raise ValueError(f"the event of {name} is longer than {MAX_LINE_BYTES} bytes")
    return line


def _encode_payload(value: bytes) -> bytes:
    text = value.decode()
    try:
        _decode_array(value)
    except (msgspec.MsgspecError, RecursionError):
        return json.dumps(text).encode()
    return value.replace(b"\n", b" ")  # In valid JSON a newline is only ever white space.


def is_directory(path: str) -> bool:
    """Tell whether the log at `path` is, or would become, a directory of partition files."""
    return path.endswith("/") or os.path.isdir(path)


def partition_files(path: str) -> dict[int, str]:
    """List the partition files by number; other files are ignored. Raises OSError, SourceError."""
    if not is_directory(path):
        return {0: path} if os.path.exists(path) else {}
    try:
        names = sorted(os.listdir(path))
    except FileNotFoundError:
        return {}
    files: dict[int, str] = {}
    for name in names:
        match = _FILE_NAME.fullmatch(name)
        if match is None or (number := int(match[1])) >= 2**31:
            continue
        if number in files:
            raise SourceError(f"{files[number]} and {name} in one directory both are partition {number}")
        files[number] = os.path.join(path, name)
    return dict(sorted(files.items()))


def append(
    path: str, events: Iterable[tuple[bytes, bytes | None, int]], *, partition: int | None = None
) -> list[tuple[int, int]]:
    """Append events (key, value or None, timestamp in ms) durably; gives (partition, position) of each, in their order.

    Without `partition` the key chooses among the existing partition files. Several processes may append at once.
    Raises ValueError, with nothing written, for an event that the file log cannot carry, and SourceError when writing
    fails: then the events before the failure may have been written, but never a part of one.
    """
    directory = is_directory(path)
    if not directory and partition not in (None, 0):
        raise ValueError(f"{path} is one file and has no partition {partition}")
    try:
        files = partition_files(path)
        numbers = list(files) or [0]
        chosen: list[tuple[int, int]] = []
        lines: dict[int, list[bytes]] = {}
        for key, value, timestamp_ms in events:
            number = numbers[zlib.crc32(key) % len(numbers)] if partition is None else partition
            of_partition = lines.setdefault(number, [])
            chosen.append((number, len(of_partition)))
            of_partition.append(encode_line(key, value, timestamp_ms))
        positions: dict[int, list[int]] = {}
        for number, of_partition in lines.items():
            file = files.get(number) or (os.path.join(path, f"{number}.jsonl") if directory else path)
            positions[number] = _append_lines(file, of_partition)
    except OSError as error:
        raise SourceError(f"cannot append to {error.filename or path}: {error.strerror}") from error
    return [(number, positions[number][index]) for number, index in chosen]


def _append_lines(path: str, lines: list[bytes]) -> list[int]:
    """Write whole lines to one file under its lock and fsync; gives the position of each. Raises OSError."""
    directory = os.path.dirname(path) or "."
    try:
        with acting_as_owner(directory):
            return _append_open(path, _open_locked(path), lines)
    except PermissionError:
        if os.geteuid() != 0 or not _is_roots(path):
            raise
    return _append_open(path, _open_locked(path), lines)


def _is_roots(path: str) -> bool:
    """Return whether root itself has made this file in somebody else's directory: then root may write it."""
    try:
        found, directory = os.lstat(path), os.stat(os.path.dirname(path) or ".")
    except OSError:
        return False
    return has_one_name(found) and found.st_uid == 0 and directory.st_uid != 0


def _append_open(path: str, fd: int, lines: list[bytes]) -> list[int]:
    try:
        end = os.lseek(fd, 0, os.SEEK_END)
        new = end == 0
        if not new and os.pread(fd, 1, end - 1) != b"\n":
            # The writer of the last line died in it, for we hold the lock: let it be a (bad) event of its own.
            end += os.write(fd, b"\n")
        starts: list[int] = []
        for line in lines:
            starts.append(end)
            end += len(line)
        _write(fd, lines, starts)
        os.fsync(fd)
    finally:
        os.close(fd)
    if new:
        sync_directory(os.path.dirname(path) or ".")
    return starts


def _open_locked(path: str) -> int:
    """Open the file at `path` and lock it, making file and directory where needed; gives the descriptor."""
    directory = os.path.dirname(path) or "."
    if not os.path.isdir(directory):
        os.makedirs(directory, exist_ok=True)
        sync_directory(os.path.dirname(os.path.abspath(directory)))
    while True:
        fd = _open(path)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            if os.path.exists(path) and os.path.samestat(os.fstat(fd), os.stat(path)):
                return fd
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)  # Another file was moved into its place while we waited.


def _open(path: str) -> int:
    flags = os.O_RDWR | os.O_APPEND
    if os.geteuid() != 0:
        return os.open(path, flags | os.O_CREAT | os.O_CLOEXEC, 0o644)
    # Root writes to nothing that somebody may have put there as a link.
    fd = open_unlinked(path, flags | os.O_CREAT, 0o644)
    if not has_one_name(os.fstat(fd)):
        os.close(fd)
        raise OSError(errno.EPERM, "is no regular file with one name, so root does not write to it", path)
    return fd


def _write(fd: int, lines: list[bytes], starts: list[int]) -> None:
    data = memoryview(b"".join(lines))
    done = 0
    try:
        while done < len(data):
            done += os.write(fd, data[done : done + WRITE_BYTES])
    except OSError:
        # Readers may have the whole lines already, so those stay; the one cut short never was an event.
        written = bisect_right(starts, starts[0] + done) - 1
        os.ftruncate(fd, starts[written])
        raise
