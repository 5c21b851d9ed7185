"""`streamdns publish`: appends events to the log, one RRset from arguments or many from lines of JSON."""

from __future__ import annotations

import argparse
import os
import pwd
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from typing import IO, Any, NamedTuple

from streamdns.commands import CommandError
from streamdns.commands.log_writer import CHUNK_EVENTS, check_target, interruptible, sending
from streamdns.commands.output import Progress, note, printable
from streamdns.errors import BadEvent
from streamdns.events import event
from streamdns.settings import Settings
from streamdns.sources import filelog
from streamdns.sources.sink import LogEvent, Placed, Sink

_SPOOL_BYTES = 16 << 20
_SHOWN_PROBLEMS = 20


def run(args: argparse.Namespace, settings: Settings, *, now_ms: int) -> int:
    """Publish one event or many; raises CommandError."""
    check_target(settings, args.topic)
    with interruptible():
        publish = _publish_one if args.json is None else _publish_lines
        return publish(args, settings, now_ms=now_ms)


def _publish_one(args: argparse.Namespace, settings: Settings, *, now_ms: int) -> int:
    name, rdtype, *contents = args.words
    timestamp = now_ms if args.timestamp is None else args.timestamp
    records = [{"content": content} | metadatas(args.producer, now_ms) for content in contents]
    if args.ttl is not None:
        records = [{"ttl": args.ttl} | record for record in records]
    try:
        key, value = encode(name, rdtype, records, default_ttl=settings.default_ttl)
    except ValueError as err:
        raise CommandError(f"nothing was published: {err}") from err
    with sending(settings, topic=args.topic, total=1) as sink:
        (placed,) = sink.append([(key, value, timestamp)])
    where = f"partition {placed.partition}, position {placed.position}"
    if settings.source == "kafka":
        where = f"topic {placed.topic}, partition {placed.partition}, offset {placed.position}"
    print(f"{printable(key.decode())}: {where}")
    _wait(args, settings, [placed])
    return 0


def _wait(args: argparse.Namespace, settings: Settings, placed: list[Placed]) -> None:
    """With --wait: wait until the nodes answer with the last event of each partition. Raises CommandError."""
    if args.wait and placed:
        from streamdns.commands import wait

        sys.stdout.flush()
        wait.after(args, settings, {(each.topic, each.partition): each for each in placed})


def metadatas(producer: str | None, now_ms: int) -> dict[str, Any]:
    """Return the field of a record that says who made it and when."""
    return {"metadatas": {"createdAt": now_ms // 1000, "producer": producer or user_at_host()}}


def user_at_host() -> str:
    """Return the user who runs this command and the machine, as user@host."""
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def encode(
    name: str, rdtype: str, records: list[dict[str, Any]], *, default_ttl: int
) -> tuple[bytes, bytes | None]:
    """Key and value of an event that every server accepts; no records: a tombstone. Raises ValueError."""
    try:
        key, value = event.encode(name, rdtype, records)
        event.decode(key, value, default_ttl=default_ttl)
    except (BadEvent, TypeError) as err:
        raise ValueError(str(err)) from err
    return key, value if records else None


class _BadLine(NamedTuple):
    number: int
    reason: str


def _publish_lines(args: argparse.Namespace, settings: Settings, *, now_ms: int) -> int:
    path = args.json
    if path == "-":
        return _publish_stream(sys.stdin.buffer, "standard input", args, settings, now_ms=now_ms)
    try:
        with open(path, "rb") as file:
            publish = _publish_file if file.seekable() else _publish_stream
            return publish(file, path, args, settings, now_ms=now_ms)
    except OSError as err:
        if err.filename != path:
            raise
        raise CommandError(f"{path} cannot be read: {(err.strerror or str(err)).lower()}") from err


def _publish_stream(
    stream: IO[bytes], name: str, args: argparse.Namespace, settings: Settings, *, now_ms: int
) -> int:
    with tempfile.SpooledTemporaryFile(max_size=_SPOOL_BYTES) as spool:
        # All lines are looked at before the first is published, so all have to be here first.
        shutil.copyfileobj(stream, spool)
        return _publish_file(spool, name, args, settings, now_ms=now_ms)


def _publish_file(file: IO[bytes], name: str, args: argparse.Namespace, settings: Settings, *, now_ms: int) -> int:
    total = file.seek(0, os.SEEK_END)
    good, bad = _check(file, name, total, settings.default_ttl, now_ms=now_ms)
    if bad and not args.skip_bad:
        raise CommandError(f"nothing was published: {_count(bad, 'bad line')} (see --skip-bad)")
    placed: dict[tuple[str, int], Placed] = {}
    if good:
        with sending(settings, topic=args.topic, total=good) as sink, Progress(total, "publishing") as progress:
            chunk: list[LogEvent] = []
            for item in _events(file, total, settings.default_ttl, now_ms=now_ms):
                if not isinstance(item, _BadLine):
                    chunk.append(item)
                if len(chunk) == CHUNK_EVENTS:
                    _send(sink, chunk, placed if args.wait else None)
                    progress.at(file.tell())
                    chunk.clear()
            if chunk:
                _send(sink, chunk, placed if args.wait else None)
    print(f"{_count(good, 'event')} published" + (f", {_count(bad, 'bad line')} left out" if bad else ""))
    _wait(args, settings, list(placed.values()))
    return 0


def _send(sink: Sink, chunk: list[LogEvent], placed: dict[tuple[str, int], Placed] | None) -> None:
    """Send events, and note the place of the last one of each partition where it is needed."""
    if placed is None:
        sink.send(chunk)
    else:
        placed.update(((each.topic, each.partition), each) for each in sink.append(chunk))


def _check(file: IO[bytes], name: str, total: int, default_ttl: int, *, now_ms: int) -> tuple[int, int]:
    """Count good and bad lines, and tell the first bad ones."""
    good = bad = 0
    with Progress(total, "checking") as progress:
        for item in _events(file, total, default_ttl, now_ms=now_ms):
            if isinstance(item, _BadLine):
                bad += 1
                if bad <= _SHOWN_PROBLEMS:
                    note(f"{name} line {item.number}: {item.reason}")
            else:
                good += 1
            progress.at(file.tell())
    if bad > _SHOWN_PROBLEMS:
        note(f"{name}: {_count(bad - _SHOWN_PROBLEMS, 'more bad line')}")
    return good, bad


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _events(file: IO[bytes], size: int, default_ttl: int, *, now_ms: int) -> Iterator[LogEvent | _BadLine]:
    """Yield the events of the first `size` octets of a file of lines; a timestamp that is absent or 0 becomes `now_ms`.

    What comes later has not been checked, and may be what is being published: the file can be the log itself.
    """
    file.seek(0)
    number = at = 0
    while at < size and (line := file.readline(filelog.MAX_LINE_BYTES + 1)):
        number += 1
        at += len(line)
        if len(line) > filelog.MAX_LINE_BYTES:
            yield _BadLine(number, f"the line is longer than {filelog.MAX_LINE_BYTES} bytes")
            while line and not line.endswith(b"\n"):
                line = file.readline(filelog.MAX_LINE_BYTES)
                at += len(line)
            continue
        record = filelog.decode_line(line.rstrip(b"\n"), 0, 0)
        if record is None:
            continue
        try:
            if record.error is not None:
                raise BadEvent(record.error)
            event.decode(record.key, record.value, default_ttl=default_ttl)
        except BadEvent as err:
            yield _BadLine(number, err.reason)
            continue
        assert record.key is not None
        yield record.key, record.value, record.timestamp or now_ms
