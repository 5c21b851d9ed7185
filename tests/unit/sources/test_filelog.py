"""The format of the file log, and appending to it: real files, real processes."""

from __future__ import annotations

import errno
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import gevent
import pytest

from streamdns.errors import SourceError
from streamdns.events.batch import Batch, Record
from streamdns.sources import filelog
from streamdns.sources.file import FileSource
from streamdns.sources.filelog import MAX_LINE_BYTES, append, partition_files
from tests.harness import ROOT
from tests.harness.filelog import NEVER_S, Opener, keys, line, read_all, where


def only(source: FileSource) -> Record:
    records, _ = read_all(source)
    assert len(records) == 1
    return records[0]


@pytest.mark.parametrize(
    ("text", "timestamp", "key", "value"),
    [
        (b'{"key":"a.|A","value":[{"ttl": 1}],"timestamp":7}', 7, b"a.|A", b'[{"ttl": 1}]'),
        (b'{"value" : [ ] , "key":"a.|A"}\r', 0, b"a.|A", b"[ ]"),
        (b'{"key":"a.|A","value":null,"timestamp":null}', 0, b"a.|A", None),
        (b'{"key":"a.|A","value":"[] \\u00e9\\n"}', 0, b"a.|A", "[] é\n".encode()),
        (b'{"key":"a.|A","value":""}', 0, b"a.|A", b""),
        (b'{"key":null,"value":[]}', 0, None, b"[]"),
        (b'{"value":[],"more":{"x":1}}', 0, None, b"[]"),
        (b'{"key":"a.|A","value":{"x":1}}', 0, b"a.|A", b'{"x":1}'),
        (b'{"key":"a.|A","value":12}', 0, b"a.|A", b"12"),
        (b'{"key":"a.|A","value":false}', 0, b"a.|A", b"false"),
        ('{"key":"é.|A","value":["é"]}'.encode(), 0, "é.|A".encode(), '["é"]'.encode()),
        (b'{"key":"a.|A","value":[],"timestamp":9223372036854775807}', 2**63 - 1, b"a.|A", b"[]"),
    ],
)
def test_a_line_is_key_value_and_timestamp(
    tmp_path: Path, opened: Opener, text: bytes, timestamp: int, key: bytes | None, value: bytes | None
) -> None:
    (tmp_path / "log").write_bytes(text + b"\n")
    assert only(opened(tmp_path / "log")) == Record("file", 0, 0, timestamp, key, value, None)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"hello", "not valid JSON"),
        (b'{"key":"a.|A","value":[', "not valid JSON"),
        (b'{"key":"a.|A","value":[]} {}', "not valid JSON"),
        (b'\xef\xbb\xbf{"key":"a.|A","value":[]}', "not valid JSON"),
        (b'{"key":"\\ud800","value":[]}', "not valid JSON"),
        (b'{"key":"a.|A","value":"\\ud800"}', "not valid JSON"),
        (b"\0\0\0\0", "not valid JSON"),
        (b"[1]", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b'{"key":"a.|A"}', 'no "value"'),
        (b'{"key":5,"value":[]}', "key is neither"),
        (b'{"key":"a.|A","value":[],"timestamp":-1}', "timestamp is not"),
        (b'{"key":"a.|A","value":[],"timestamp":1.5}', "timestamp is not"),
        (b'{"key":"a.|A","value":[],"timestamp":"7"}', "timestamp is not"),
        (b'{"key":"a.|A","value":[],"timestamp":true}', "timestamp is not"),
        (b'{"key":"a.|A","value":[],"timestamp":9223372036854775808}', "timestamp is not"),
        (b'{"key":"a.|A\xff","value":[]}', "not UTF-8 at byte 12"),
        (b'{"key":"a.|A","value":["\xff"]}', "not UTF-8"),
        (b'{"key":"a.|A","value":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deep"),
    ],
)
def test_a_bad_line_is_an_event_with_an_error(tmp_path: Path, opened: Opener, text: bytes, reason: str) -> None:
    (tmp_path / "log").write_bytes(line(0) + text + b"\n" + line(1))
    records, positions = read_all(opened(tmp_path / "log"))
    assert keys(records) == [b"n0.example.|A", None, b"n1.example.|A"]
    bad = records[1]
    assert bad[:6] == ("file", 0, len(line(0)), 0, None, text)
    assert bad.error is not None
    assert reason in bad.error
    assert "\n" not in bad.error
    assert positions == {("file", 0): len(line(0)) + len(text) + 1 + len(line(1))}


def test_blank_lines_only_move_the_position(tmp_path: Path, opened: Opener) -> None:
    (tmp_path / "log").write_bytes(b"\n  \t\r\n" + line(0) + b"\n")
    records, positions = read_all(opened(tmp_path / "log"))
    assert [(record.key, record.position) for record in records] == [(b"n0.example.|A", 6)]
    assert positions == {("file", 0): 6 + len(line(0)) + 1}

    (tmp_path / "log2").write_bytes(b"\n\n\n")
    batch = opened(tmp_path / "log2").read(max_records=5, timeout_s=0)
    assert batch == Batch([], {("file", 0): 3}, True)


@pytest.mark.parametrize("excess", [0, 1, 3 << 20])
def test_a_line_that_is_too_long_is_skipped(tmp_path: Path, opened: Opener, excess: int) -> None:
    start, end = b'{"key":"long.|A","value":"', b'"}'
    long = start + b"x" * (MAX_LINE_BYTES + excess - len(start) - len(end)) + end
    (tmp_path / "log").write_bytes(long + b"\n" + line(1) + long)
    source = opened(tmp_path / "log")
    records, positions = read_all(source)
    assert positions == {("file", 0): len(long) + 1 + len(line(1))}
    assert source.ends() == positions
    assert [record.position for record in records] == [0, len(long) + 1]
    if excess:
        assert records[0].error == f"the line is {len(long)} bytes long, more than {MAX_LINE_BYTES}"
        assert (records[0].key, records[0].value) == (None, long[:4096])
    else:
        assert (records[0].key, records[0].error) == (b"long.|A", None)
    with (tmp_path / "log").open("ab") as log:
        log.write(b"\n" + line(2))
    more, _ = read_all(source)
    assert [record.position for record in more] == [positions["file", 0], positions["file", 0] + len(long) + 1]
    assert more[1].key == b"n2.example.|A"
    resumed = opened(tmp_path / "log", positions, source.fingerprints())
    assert keys(read_all(resumed)[0]) == keys(more)


def test_what_is_appended_is_what_is_read(tmp_path: Path, opened: Opener) -> None:
    events: list[tuple[bytes, bytes | None, int]] = [
        (b"a.|A", b'[{"content": "192.0.2.1"}]', 1),
        (b"b.|A", None, 0),
        (b"c.|A", b"[]", 2**63 - 1),
        ('é".|A'.encode(), 'not JSON: é \n\\ "'.encode(), 3),
        (b"d.|A", b"", 4),
        (b"e.|A", b"{}", 5),
        (b"f.|A", b'["\\ud800"]', 6),
        (b"", b"null", 7),
    ]
    path = f"{tmp_path}/new/log"
    result = append(path, events)
    records, _ = read_all(opened(path))
    assert [(record.key, record.value, record.timestamp) for record in records] == events
    assert [(record.partition, record.position) for record in records] == result
    size = os.path.getsize(path)
    assert append(path, [(b"g.|A", b'\n[1,\n"\\n"]\n', 0)]) == [(0, size)]
    assert json.loads(read_all(opened(path))[0][-1].value or b"") == [1, "\n"]
    assert append(path, []) == []


@pytest.mark.parametrize(
    ("key", "value", "timestamp", "reason"),
    [
        (b"\xff", b"[]", 0, r"the key b'\\xff'"),
        (b"a.|A", b'["\xff"]', 0, "payload of a.|A: it is not UTF-8"),
        (b"a.|A", b"[]", -1, "timestamp -1 of a"),
        (b"a.|A", b"[]", 2**63, "is not from 0 to"),
        (b"a.|A", b"x" * MAX_LINE_BYTES, 0, "longer than"),
    ],
)
def test_what_cannot_be_carried_is_refused_whole(
    tmp_path: Path, key: bytes, value: bytes, timestamp: int, reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        append(f"{tmp_path}/log", [(b"good.|A", b"[]", 0), (key, value, timestamp)])
    assert os.listdir(tmp_path) == []


def test_the_key_chooses_among_the_partitions(tmp_path: Path, opened: Opener) -> None:
    assert append(f"{tmp_path}/log/", [(b"a.|A", b"[]", 0)]) == [(0, 0)]
    for partition in (3, 7):
        append(f"{tmp_path}/log", [(b"first", b"[]", 0)], partition=partition)
    events: list[tuple[bytes, bytes | None, int]] = [(b"n%d.|A" % (index % 20), b"[]", index) for index in range(200)]
    result = append(f"{tmp_path}/log", events)
    assert {partition for partition, _ in result} == {0, 3, 7}
    by_key: dict[bytes, set[int]] = {}
    for (key, _, _), (partition, _) in zip(events, result, strict=True):
        by_key.setdefault(key, set()).add(partition)
    assert all(len(partitions) == 1 for partitions in by_key.values())
    found = {(record.partition, record.position): record.key for record in read_all(opened(f"{tmp_path}/log"))[0]}
    assert [found[at] for at in result] == [key for key, _, _ in events]
    assert partition_files(f"{tmp_path}/log").keys() == {0, 3, 7}


def test_a_file_has_no_other_partition(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has no partition 2"):
        append(f"{tmp_path}/log", [(b"a.|A", b"[]", 0)], partition=2)


def test_the_torn_line_of_a_dead_writer_is_ended(tmp_path: Path, opened: Opener) -> None:
    (tmp_path / "log").write_bytes(line(0) + b'{"key":"dead')
    assert append(f"{tmp_path}/log", [(b"b.|A", b"[]", 0)]) == [(0, len(line(0)) + 13)]
    records, _ = read_all(opened(tmp_path / "log"))
    assert [(record.key, record.error is None) for record in records] == [
        (b"n0.example.|A", True), (None, False), (b"b.|A", True),
    ]  # fmt: skip


def test_a_write_that_fails_leaves_whole_lines(tmp_path: Path, opened: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a full disk: some of the bytes are written, then none."""
    path = f"{tmp_path}/log"
    append(path, [(b"a.|A", b"[]", 0)])
    write, room = os.write, [100]

    def short_of_room(fd: int, data: bytes) -> int:
        if not room[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = write(fd, data[: room[0]])
        room[0] -= written
        return written

    monkeypatch.setattr(os, "write", short_of_room)
    with pytest.raises(SourceError, match=r"^cannot append to .*/log: No space left on device$"):
        append(path, [(b"b.|A", b"[]", 0)] * 10)
    monkeypatch.undo()
    append(path, [(b"c.|A", b"[]", 0)])
    records, _ = read_all(opened(path))
    assert keys(records) == [b"a.|A", b"b.|A", b"b.|A", b"c.|A"]


def test_what_is_appended_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fsync, synced = os.fsync, []

    def noting(fd: int) -> None:
        synced.append((os.readlink(f"/proc/self/fd/{fd}"), os.fstat(fd).st_size))
        fsync(fd)

    monkeypatch.setattr(os, "fsync", noting)
    path = tmp_path / "new" / "log"
    append(str(path), [(b"a.|A", b"[]", 0)] * 3)
    names = [name for name, _ in synced]
    assert names == [str(tmp_path), str(path), str(path.parent)]
    assert synced[1][1] == path.stat().st_size
    append(str(path), [(b"a.|A", b"[]", 0)] * 3)
    assert synced[3:] == [(str(path), path.stat().st_size)]


def test_a_log_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SourceError, match=r"^cannot append to .*: (Not a directory|File exists)$"):
        append(f"{tmp_path}/file/log", [(b"a.|A", b"[]", 0)])


WRITER = """
import sys
from streamdns.sources.filelog import append, partition_files
path, writer = sys.argv[1], sys.argv[2]
sys.stdin.read(1)
for index in range(500):
    value = ("[" + ",".join(["1"] * (index % 50)) + "]").encode()
    key = f"{writer}-{index}.|A".encode()
    [(partition, position)] = append(path, [(key, value, index)])
    with open(partition_files(path)[partition], "rb") as file:
        file.seek(position)
        if not file.readline().startswith(b'{"key":"%b",' % key):
            sys.exit("the position is not that of the event")
"""


@pytest.mark.parametrize("name", ["log", "directory/"])
def test_processes_that_append_at_once_tear_and_lose_nothing(tmp_path: Path, opened: Opener, name: str) -> None:
    path = f"{tmp_path}/{name}"
    if name.endswith("/"):
        for partition in (0, 1):
            append(path, [(b"first", b"[]", 0)], partition=partition)
    source = opened(path)
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, path, str(writer)], stdin=subprocess.PIPE, cwd=ROOT)
        for writer in range(4)
    ]
    try:
        for writer in writers:
            assert writer.stdin is not None
            writer.stdin.close()
        records: list[Record] = []
        with gevent.Timeout(120):
            while len([record for record in records if record.key != b"first"]) < 2000:
                records += source.read(max_records=100, timeout_s=NEVER_S).records
        assert [writer.wait(60) for writer in writers] == [0, 0, 0, 0]
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()
    assert read_all(source)[0] == []
    assert all(record.error is None for record in records)
    for writer_number in range(4):
        mine = [record for record in records if (record.key or b"").startswith(b"%d-" % writer_number)]
        assert sorted(record.timestamp for record in mine) == list(range(500))
        for partition in (0, 1):
            of_partition = [record.timestamp for record in mine if record.partition == partition]
            assert of_partition == sorted(of_partition)
    assert sorted(read_all(opened(path))[0], key=where) == sorted(records, key=where)


def test_the_format_module_needs_no_gevent() -> None:
    code = f"import sys, {filelog.__name__}; sys.exit('gevent' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


#: What long strings are made of: escapes, those that stand together, pairs, halves of pairs, and what is no escape.
ATOMS = ["\\\\", '\\"', "\\n", "\\u0000", "\\\\u0000", "\\ud83d\\ude00", "\\uD83D\\uDE00", "\\ud83d", "\\ude00", "\\/",
         "\N{GRINNING FACE}", "\N{LATIN SMALL LETTER E WITH ACUTE}", "a", "b" * 13, "\\\\" * 70, "\\x"]


def in_pieces(octets: bytes) -> tuple[Record, int]:
    """The record of a long line, and between how many steps others had their turn."""
    pauses: list[None] = []
    record = filelog.decode_line(octets, 0, 0, lambda: pauses.append(None))
    assert record is not None
    return record, len(pauses)


def test_a_long_string_is_the_same_in_pieces() -> None:
    """Whatever stands where it is cut: also what is no string at all is told in the same words."""
    rng = random.Random(3)
    seen = set()
    for atoms in [[each] for each in ATOMS] + [rng.sample(ATOMS, 3) for _ in range(40)]:
        text = "".join(rng.choices(atoms, k=200))
        octets = b'{"key":"a.|A","value":"%b"}' % ("x" * rng.randrange(12) + text * (150_000 // len(text))).encode()
        record, pauses = in_pieces(octets)
        assert record == filelog.decode_line(octets, 0, 0)
        seen.add((record.error is None, pauses > 4))
    assert {(True, True), (False, False)} <= seen


@pytest.mark.parametrize("atom", ["[", "\\n", '{\\"x\\":', "\\\\u0000"])
def test_a_long_string_is_decoded_in_pieces(atom: str) -> None:
    """Of a megabyte each piece takes a sixteenth of the time."""
    octets = b'{"key":"a.|A","value":"%b"}' % (atom * (1_000_000 // len(atom))).encode()
    record, pauses = in_pieces(octets)
    assert record.error is None
    assert pauses >= 3 + 15
