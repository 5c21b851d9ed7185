"""Files of the file log: octets that somebody appends, in two pieces, read by the source as they come.

The first octet says where they are cut in two (in 256ths), the second how many records are read at a time.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import ExitStack

from streamdns.errors import BadEvent, LogReplaced, SourceError
from streamdns.events.event import decode
from streamdns.sources.file import FileSource
from streamdns.sources.filelog import TOPIC, decode_line, encode_line
from tests.fuzz.targets import events
from tests.fuzz.work import lines
from tests.harness.viewing import folder

INCLUDE = ("streamdns.sources", "streamdns.events")
MOST_OCTETS = 4096
LINES, LINES_AN_OCTET = 8000, 60
_stack = ExitStack()
_paths: list[str] = []


def _path() -> str:
    if not _paths:
        _paths.append(str(_stack.enter_context(folder()) / "log.jsonl"))
    return _paths[0]


def seeds(rng: random.Random) -> Iterator[bytes]:
    """Lines of valid events, torn and empty ones, and what is no JSON."""
    good = []
    for each in events.seeds(rng):
        _, key, value = events.unpacked(each)
        try:
            good.append(encode_line(key or b"", value, 7))
        except ValueError:
            continue
    odd = [b"\n", b" \t\n", b"{}\n", b'{"key":null,"value":[]}\n', b'{"key":"a|A"}\n', b"\xff\n", b"[1]\n", b"\0\n",
           b'{"key":"a.|A","value":"[]","timestamp":-1}\n', b'{"key":1,"value":null}\n', b'{"key":"\xff","value":[]}\n']
    for _ in range(60):
        lines_of = [rng.choice(good if rng.random() < 0.7 else odd) for _ in range(rng.randrange(1, 6))]
        yield rng.randbytes(2) + b"".join(lines_of)
        yield rng.randbytes(2) + b"".join(lines_of)[:-1]


def mutated(data: bytes, rng: random.Random) -> bytes:
    """Newlines where there were none, gone where there were some."""
    made = bytearray(data)
    at = rng.randrange(len(made) + 1)
    if rng.random() < 0.5:
        made[at:at] = b"\n"
    else:
        at = made.find(b"\n", at)
        if at > 1:
            del made[at]
    return bytes(made)


def check(data: bytes, *, whole: bool) -> None:
    """Every complete line gives its record, in order, wherever the file was cut; positions are starts of lines."""
    if len(data) < 2:
        return
    cut, room, octets = data[0] * (len(data) - 2) // 256, 1 + data[1] % 7, data[2:]
    complete = octets[: octets.rfind(b"\n") + 1]
    wanted, at = [], 0
    for line in complete.split(b"\n")[:-1]:
        record = decode_line(line, 0, at)
        if record is not None:
            wanted.append(record)
        at += len(line) + 1
    for record in wanted:
        assert record.error is not None or record.key is None or isinstance(record.key, bytes)
        if record.error is None:
            try:
                decode(record.key, record.value, default_ttl=300)
            except BadEvent:
                pass  # It goes into the quarantine.
    if whole:
        assert _read(octets, cut, room) == (wanted, len(complete)), "other records than the lines have"
        lines(lambda: [decode_line(line, 0, 0) for line in complete.split(b"\n")],
              most=LINES + LINES_AN_OCTET * len(data))


def _read(octets: bytes, cut: int, room: int) -> tuple[list[object], int]:
    path = _path()
    with open(path, "wb") as file:
        file.write(octets[:cut])
    source = FileSource(path, check_s=0.0)
    records: list[object] = []
    position = 0
    try:
        source.connect({}, {})
        for piece in (b"", octets[cut:]):
            with open(path, "ab") as file:
                file.write(piece)
            while True:
                batch = source.read(max_records=room, timeout_s=0)
                records += batch.records
                position = batch.positions.get((TOPIC, 0), position)
                if batch.caught_up:
                    break
        assert not position or octets[position - 1 : position] == b"\n"
        again = FileSource(path, check_s=0.0)
        try:
            again.connect({(TOPIC, 0): position}, source.fingerprints())
        finally:
            again.close()
    except (LogReplaced, SourceError) as error:
        raise AssertionError(f"a file that only grew: {error}") from error
    finally:
        source.close()
        os.truncate(path, 0)
    return records, position
