"""`streamdns publish`: appends events to the log, one RRset from arguments or many from lines of JSON."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from typing import IO, Any, NamedTuple

from streamdns.commands import CommandError
from streamdns.commands.acceptance import Acceptance
from streamdns.commands.caller import user_at_host
from streamdns.commands.log_writer import CHUNK_EVENTS, check_target, interruptible, send, sending, target_topic
from streamdns.commands.output import Progress, note, printable
from streamdns.commands.present import published_ttl
from streamdns.errors import BadEvent
from streamdns.events.message_id import position_text
from streamdns.events.order import phase_of
from streamdns.settings import Settings
from streamdns.sources import filelog
from streamdns.sources.sink import LogEvent, Placed

_SPOOL_BYTES = 16 << 20
_SHOWN_PROBLEMS = 20


def run(args: argparse.Namespace, settings: Settings, *, now_ms: int) -> int:
    """Publish one event or many; raises CommandError."""
    check_target(settings, args.topic)
    with interruptible():
        publish = _publish_one if args.json is None else _publish_lines
        return publish(args, settings, now_ms=now_ms)


def _publish_one(args: argparse.Namespace, settings: Settings, *, now_ms: int) -> int:
    owner, rdtype, *contents = args.words
    timestamp = now_ms if args.timestamp is None else args.timestamp
    accepts = Acceptance(settings, target_topic(settings, args.topic))
    records = [{"content": content} | metadatas(args.producer, now_ms) for content in contents]
    try:
        accepts.encode(owner, rdtype, records)
        ttl = published_ttl(args, settings)
        if ttl is not None:
            records = [{"ttl": ttl} | record for record in records]
        key, value = accepts.encode(owner, rdtype, records)
    except ValueError as err:
        raise CommandError(f"nothing was published: {err}") from err
    with sending(settings, topic=args.topic, total=1) as sink:
        (placed,) = sink.append([(key, value, timestamp)])
    where = f"partition {placed.partition}, position {placed.position}"
    if settings.source == "kafka":
        where = f"topic {placed.topic}, partition {placed.partition}, offset {placed.position}"
    if settings.source == "pulsar" and placed.position >= 0:
        message = position_text(placed.topic, placed.position)
        where = f"topic {placed.topic}, partition {placed.partition}, message {message}, position {placed.position}"
    if placed.position < 0:
        where = f"topic {placed.topic}, partition {placed.partition}; the broker does not say where in it"
    print(f"{printable(key.decode())}: {where}")
    wait_if_asked(args, settings, [placed])
    return 0


def wait_if_asked(args: argparse.Namespace, settings: Settings, placed: list[Placed]) -> None:
    """With --wait: wait until the nodes answer with the last event of each partition. Raises CommandError."""
    if args.wait and placed:
        from streamdns.commands import wait

        sys.stdout.flush()
        wait.after(args, settings, {(each.topic, each.partition): each for each in placed})


def metadatas(producer: str | None, now_ms: int) -> dict[str, Any]:
    """Return the field of a record that says who made it and when."""
    return {"metadatas": {"createdAt": now_ms // 1000, "producer": producer or user_at_host()}}


class _BadLine(NamedTuple):
    number: int
    reason: str


class _GoodLine(NamedTuple):
    """An event of a file of lines, the RRset that it is of, and its place in the order that readers can bear."""

    event: LogEvent
    rrset: bytes
    phase: int


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
    accepts = Acceptance(settings, target_topic(settings, args.topic))
    counts, late, bad = _check(file, name, total, accepts)
    good = sum(counts.values())
    if bad and not args.skip_bad:
        raise CommandError(f"nothing was published: {_count(bad, 'bad line')} (see --skip-bad)")
    placed: dict[tuple[str, int], Placed] = {}
    if good:
        with sending(settings, topic=args.topic, total=good) as sink, Progress(good, "publishing") as progress:
            sent = 0
            for phase in sorted(counts):
                chunk: list[LogEvent] = []
                for line in _lines(file, total, accepts):
                    if isinstance(line, _GoodLine) and late.get(line.rrset, line.phase) == phase:
                        chunk.append(_dated(line.event, now_ms + phase))
                    if len(chunk) == CHUNK_EVENTS:
                        send(sink, chunk, placed if args.wait else None)
                        sent += len(chunk)
                        progress.at(sent)
                        chunk.clear()
                if chunk:
                    send(sink, chunk, placed if args.wait else None)
                    sent += len(chunk)
                sink.flush()
    print(f"{_count(good, 'event')} published" + (f", {_count(bad, 'bad line')} left out" if bad else ""))
    wait_if_asked(args, settings, list(placed.values()))
    return 0


def _dated(event: LogEvent, now_ms: int) -> LogEvent:
    """The event with a timestamp, where it has none."""
    key, value, timestamp_ms = event
    return key, value, timestamp_ms or now_ms


def _check(
    file: IO[bytes], name: str, total: int, accepts: Acceptance
) -> tuple[Counter[int], dict[bytes, int], int]:
    """How many good lines each phase has, RRsets that are all of one phase, and how many lines are bad.

    An RRset whose events stand in another order than the phases is written as a whole in the last of them, so that
    its events keep their order. The first bad lines are told.
    """
    counts: Counter[int] = Counter()
    bad = 0
    latest: dict[bytes, int] = {}
    late: dict[bytes, int] = {}
    with Progress(total, "checking") as progress:
        for line in _lines(file, total, accepts):
            if isinstance(line, _BadLine):
                bad += 1
                if bad <= _SHOWN_PROBLEMS:
                    note(f"{name} line {line.number}: {line.reason}")
            else:
                before = latest.get(line.rrset, 0)
                if line.phase < before or line.rrset in late:
                    late[line.rrset] = max(before, line.phase)
                if line.phase:
                    latest[line.rrset] = max(before, line.phase)
                counts[line.phase] += 1
            progress.at(file.tell())
    if late:
        counts = Counter()
        for line in _lines(file, total, accepts):
            if isinstance(line, _GoodLine):
                counts[late.get(line.rrset, line.phase)] += 1
    if bad > _SHOWN_PROBLEMS:
        note(f"{name}: {_count(bad - _SHOWN_PROBLEMS, 'more bad line')}")
    return counts, late, bad


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _lines(file: IO[bytes], size: int, accepts: Acceptance) -> Iterator[_GoodLine | _BadLine]:
    """The events of the first `size` octets of a file of lines.

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
            decoded = accepts.decode(record.key, record.value)
        except BadEvent as err:
            yield _BadLine(number, err.reason)
            continue
        assert record.key is not None
        rrset = decoded.rdtype.to_bytes(2, "big") + decoded.owner
        phase = phase_of(decoded.rdtype, deletes=not decoded.rdatas)
        yield _GoodLine((record.key, record.value, record.timestamp), rrset, phase)
