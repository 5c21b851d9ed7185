"""The embedded file log: real files, real processes, the kernel's own notices."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import gevent
import pytest

from streamdns.errors import LogReplaced, SourceError
from streamdns.events.sources import file as file_module
from streamdns.events.sources import filelog
from streamdns.events.sources.base import Batch, Partition, Record, Source
from streamdns.events.sources.file import FileSource
from streamdns.events.sources.filelog import MAX_LINE_BYTES, append, encode_line, partition_files

ROOT = Path(__file__).resolve().parents[2]
#: So long that only a notice of the kernel can end a wait in time; the deadline of a test is DEADLINE_S.
NEVER_S = 600.0
DEADLINE_S = 20.0

Opener = Callable[..., FileSource]


@pytest.fixture
def opened() -> Iterator[Opener]:
    sources: list[FileSource] = []

    def opener(
        path: Path | str,
        positions: dict[Partition, int] | None = None,
        fingerprints: dict[Partition, str] | None = None,
        *,
        check_s: float = NEVER_S,
    ) -> FileSource:
        source = FileSource(str(path), check_s=check_s)
        sources.append(source)
        source.connect(positions or {}, fingerprints or {})
        return source

    yield opener
    for source in sources:
        source.close()


def line(index: int, timestamp: int = 0) -> bytes:
    return encode_line(b"n%d.example.|A" % index, b"[]", timestamp)


def keys(records: list[Record]) -> list[bytes | None]:
    return [record.key for record in records]


def where(record: Record) -> tuple[int, int]:
    return record.partition, record.position


def read_all(source: FileSource, *, max_records: int = 1000) -> tuple[list[Record], dict[Partition, int]]:
    """Everything up to the first batch that is caught up."""
    records: list[Record] = []
    positions: dict[Partition, int] = {}
    while True:
        batch = source.read(max_records=max_records, timeout_s=0)
        records += batch.records
        positions |= batch.positions
        if batch.caught_up:
            return records, positions


def read_when(source: FileSource, change: Callable[[], object]) -> Batch:
    """What a read gives that waits already when `change` is made; within DEADLINE_S, or the test fails."""
    source.read(max_records=1, timeout_s=0)
    before = source.wakeups
    gevent.spawn(change)
    with gevent.Timeout(DEADLINE_S):
        while True:
            batch = source.read(max_records=1000, timeout_s=NEVER_S)
            if batch.records:
                assert source.wakeups > before, "it never waited"
                return batch


# -- the format of a line


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


# -- reading


def test_it_is_a_source(tmp_path: Path, opened: Opener) -> None:
    source: Source = opened(tmp_path / "log")
    assert source.describe() == f"file log {tmp_path / 'log'}"


def test_resuming_at_any_position_gives_the_rest(tmp_path: Path, opened: Opener) -> None:
    append(f"{tmp_path}/log", [(b"n%d.|A" % index, b"[]", index) for index in range(50)])
    source = opened(tmp_path / "log")
    everything, _ = read_all(source)
    assert [record.timestamp for record in everything] == list(range(50))
    for index in (1, 2, 30, 49):
        resumed = opened(tmp_path / "log", {("file", 0): everything[index].position}, source.fingerprints())
        assert read_all(resumed)[0] == everything[index:]
    end = source.ends()
    assert opened(tmp_path / "log", end, source.fingerprints()).read(max_records=9, timeout_s=0) == Batch([], {}, True)


def test_reads_are_bounded_fair_and_say_when_caught_up(tmp_path: Path, opened: Opener) -> None:
    for partition in range(3):
        append(f"{tmp_path}/", [(b"k", b"[]", index) for index in range(100)], partition=partition)
    source = opened(tmp_path)
    seen: dict[int, list[int]] = {0: [], 1: [], 2: []}
    while True:
        batch = source.read(max_records=10, timeout_s=0)
        assert len(batch.records) <= 10
        for record in batch.records:
            seen[record.partition].append(record.timestamp)
        counts = [len(timestamps) for timestamps in seen.values()]
        assert batch.caught_up == (not batch.records)
        if batch.caught_up:
            break
        assert max(counts) - min(counts) <= 10
    assert seen == {partition: list(range(100)) for partition in range(3)}


def test_fewer_records_than_partitions_reach_every_partition(tmp_path: Path, opened: Opener) -> None:
    for partition in range(5):
        append(f"{tmp_path}/", [(b"k", b"[]", index) for index in range(3)], partition=partition)
    source = opened(tmp_path)
    first = [source.read(max_records=1, timeout_s=0).records[0].partition for _ in range(5)]
    assert sorted(first) == [0, 1, 2, 3, 4]


def test_lines_over_the_borders_of_chunks(tmp_path: Path, opened: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_module, "CHUNK_BYTES", 64)
    monkeypatch.setattr(file_module, "MIN_CHUNK_BYTES", 64)
    lines = [encode_line(b"k" * length, b"[]", length) for length in range(0, 300, 7)]
    (tmp_path / "log").write_bytes(b"".join(lines))
    source = opened(tmp_path / "log")
    records, positions = read_all(source, max_records=3)
    assert [record.timestamp for record in records] == list(range(0, 300, 7))
    assert [record.position for record in records] == [sum(map(len, lines[:index])) for index in range(len(lines))]
    assert positions == source.ends() == {("file", 0): sum(map(len, lines))}


def test_a_batch_is_bounded_in_bytes(tmp_path: Path, opened: Opener) -> None:
    payload = json.dumps(["x" * 1_000_000]).encode()
    append(f"{tmp_path}/log", [(b"k", payload, index) for index in range(30)])
    batch = opened(tmp_path / "log").read(max_records=1000, timeout_s=0)
    assert sum(len(record.value or b"") for record in batch.records) <= MAX_LINE_BYTES + file_module.BATCH_BYTES
    assert not batch.caught_up


def test_a_torn_last_line_waits_for_its_end(tmp_path: Path, opened: Opener) -> None:
    (tmp_path / "log").write_bytes(line(0) + line(1)[:10])
    source = opened(tmp_path / "log")
    records, positions = read_all(source)
    assert keys(records) == [b"n0.example.|A"]
    assert source.ends() == positions == {("file", 0): len(line(0))}
    assert source.read(max_records=5, timeout_s=0) == Batch([], {}, True)
    with (tmp_path / "log").open("ab") as log:
        log.write(line(1)[10:-1])
        log.flush()
        assert source.read(max_records=5, timeout_s=0).records == []
        log.write(b"\n")
    assert keys(source.read(max_records=5, timeout_s=0).records) == [b"n1.example.|A"]


def test_a_torn_line_may_be_taken_back(tmp_path: Path, opened: Opener) -> None:
    (tmp_path / "log").write_bytes(line(0) + line(1)[:10])
    source = opened(tmp_path / "log")
    read_all(source)
    os.truncate(tmp_path / "log", len(line(0)))
    append(f"{tmp_path}/log", [(b"other.|A", b"[]", 0)])
    assert keys(read_all(source)[0]) == [b"other.|A"]


def test_a_long_torn_line_may_be_taken_back(tmp_path: Path, opened: Opener) -> None:
    (tmp_path / "log").write_bytes(line(0) + b"x" * (MAX_LINE_BYTES + 5))
    source = opened(tmp_path / "log")
    read_all(source)
    os.truncate(tmp_path / "log", len(line(0)))
    append(f"{tmp_path}/log", [(b"other.|A", b"[]", 0)])
    assert keys(read_all(source)[0]) == [b"other.|A"]


def test_an_empty_log_is_caught_up_at_once(tmp_path: Path, opened: Opener) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "directory").mkdir()
    for name in ("empty", "directory", "absent", "absent/", "a/b/c/"):
        source = opened(f"{tmp_path}/{name}")
        with gevent.Timeout(DEADLINE_S):
            assert source.read(max_records=5, timeout_s=NEVER_S) == Batch([], {}, True)
        assert source.fingerprints() == {}
    assert sorted(os.listdir(tmp_path)) == ["directory", "empty"]


def test_an_appended_line_ends_the_wait(tmp_path: Path, opened: Opener) -> None:
    append(f"{tmp_path}/log", [(b"a.|A", b"[]", 0)])
    source = opened(tmp_path / "log")
    read_all(source)
    batch = read_when(source, lambda: append(f"{tmp_path}/log", [(b"b.|A", b"[]", 5)]))
    assert keys(batch.records) == [b"b.|A"]
    assert batch.caught_up


def test_nothing_happens_while_nothing_is_appended(tmp_path: Path, opened: Opener) -> None:
    append(f"{tmp_path}/log", [(b"a.|A", b"[]", 0)])
    source = opened(tmp_path / "log")
    read_all(source)
    source.read(max_records=5, timeout_s=0)
    before = source.wakeups
    assert source.read(max_records=5, timeout_s=0.3) == Batch([], {}, True)
    assert source.wakeups == before + 1  # the end of its time


def test_without_inotify_it_looks_now_and_then(tmp_path: Path, opened: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    class NoInotify:
        @staticmethod
        def inotify_init1(flags: int) -> int:
            return -1

    monkeypatch.setattr(file_module, "_libc", NoInotify)
    source = opened(tmp_path / "log", check_s=0.05)
    assert "no inotify" in source.describe()
    batch = read_when(source, lambda: append(f"{tmp_path}/log", [(b"b.|A", b"[]", 5)]))
    assert keys(batch.records) == [b"b.|A"]


@pytest.mark.parametrize("name", ["log", "directory/", "not/yet/there/", "not/yet/log"])
def test_a_log_that_appears_is_read(tmp_path: Path, opened: Opener, name: str) -> None:
    source = opened(f"{tmp_path}/{name}")
    batch = read_when(source, lambda: append(f"{tmp_path}/{name}", [(b"a.|A", b"[]", 0)]))
    assert keys(batch.records) == [b"a.|A"]
    assert source.fingerprints().keys() == {("file", 0)}


def test_a_partition_that_is_added_is_read(tmp_path: Path, opened: Opener) -> None:
    append(f"{tmp_path}/", [(b"a.|A", b"[]", 0)], partition=0)
    source = opened(tmp_path)
    read_all(source)
    before = source.fingerprints()
    batch = read_when(source, lambda: append(f"{tmp_path}/", [(b"b.|A", b"[]", 0)], partition=12))
    assert [(record.key, record.partition) for record in batch.records] == [(b"b.|A", 12)]
    assert source.fingerprints().items() > before.items()

    (tmp_path / "elsewhere").write_bytes(line(7))
    batch = read_when(source, lambda: os.rename(tmp_path / "elsewhere", tmp_path / "3.jsonl"))
    assert [(record.key, record.partition) for record in batch.records] == [(b"n7.example.|A", 3)]


def test_other_files_are_no_partitions(tmp_path: Path, opened: Opener) -> None:
    others = "1.json a.jsonl -1.jsonl 1.jsonl.bak .1.jsonl ٣.jsonl 99999999999.jsonl 4294967296.jsonl"
    for name in others.split():
        (tmp_path / name).write_bytes(line(1))
    (tmp_path / "2.jsonl").write_bytes(line(2))
    assert [record.partition for record in read_all(opened(tmp_path))[0]] == [2]
    (tmp_path / "02.jsonl").write_bytes(line(2))
    with pytest.raises(SourceError, match=r"2\.jsonl in one directory both are partition 2"):
        opened(tmp_path)


def test_what_cannot_be_read_is_a_source_error(tmp_path: Path, opened: Opener) -> None:
    (tmp_path / "0.jsonl").mkdir()
    with pytest.raises(SourceError, match="not a regular file"):
        opened(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SourceError, match="not a regular file"):
        opened(tmp_path / "pipe")
    with pytest.raises(SourceError, match="is not open"):
        FileSource(f"{tmp_path}/log").read(max_records=1, timeout_s=0)


def test_an_error_of_the_system_is_one_sentence(
    tmp_path: Path, opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(f"{tmp_path}/log", [(b"a.|A", b"[]", 0)])
    source = opened(tmp_path / "log")

    def broken(*_: object) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "pread", broken)
    with pytest.raises(SourceError, match=r"^cannot read .*/log: Input/output error$") as caught:
        source.read(max_records=1, timeout_s=0)
    assert not isinstance(caught.value, LogReplaced)


def test_close_ends_a_read_that_waits(tmp_path: Path, opened: Opener) -> None:
    source = opened(tmp_path / "log")
    source.read(max_records=1, timeout_s=0)
    gevent.spawn(source.close)
    with gevent.Timeout(DEADLINE_S), pytest.raises(SourceError, match="is not open"):
        source.read(max_records=1, timeout_s=NEVER_S)
    source.close()
    assert source.ends() == {}


def test_connecting_again_and_closing_gives_descriptors_back(tmp_path: Path, opened: Opener) -> None:
    append(f"{tmp_path}/", [(b"a.|A", b"[]", 0)], partition=4)
    before = len(os.listdir("/proc/self/fd"))
    source = opened(tmp_path)
    connected = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        source.connect({}, {})
        assert keys(read_all(source)[0]) == [b"a.|A"]
    for _ in range(5):
        with pytest.raises(LogReplaced):
            source.connect({("file", 9): 1}, {})
    assert len(os.listdir("/proc/self/fd")) == before
    source.connect({}, {})
    assert len(os.listdir("/proc/self/fd")) == connected


# -- another log


def read_for_ever(source: FileSource) -> None:
    while True:
        source.read(max_records=1000, timeout_s=NEVER_S)


def raises_when(source: FileSource, change: Callable[[], object], match: str) -> None:
    """A read that waits already when `change` is made raises LogReplaced with a sentence that has `match`."""
    source.read(max_records=1, timeout_s=0)
    gevent.spawn(change)
    with gevent.Timeout(DEADLINE_S), pytest.raises(LogReplaced, match=match):
        read_for_ever(source)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log"
    path.write_bytes(line(0) + line(1) + line(2))
    return path


def replace(path: Path, content: bytes) -> None:
    path.with_name("new").write_bytes(content)
    path.with_name("new").replace(path)


def rewrite(path: Path, content: bytes) -> None:
    with path.open("r+b") as file:
        file.truncate(0)
        file.write(content)


LONGER = line(9) + line(1) * 20


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda path: os.truncate(path, len(line(0))), "shrank: it has 49 bytes and was read up to 147"),
        (lambda path: os.truncate(path, 0), "shrank: it has 0 bytes"),
        (lambda path: path.unlink(), "log is gone"),
        (lambda path: path.rename(path.with_name("old")), "log is gone"),
        (lambda path: replace(path, line(9) + line(1) + line(2)), "the first line of .*/log is not the one"),
        (lambda path: replace(path, LONGER), "the first line of .*/log is not the one"),
        (lambda path: replace(path, line(0)), "shrank"),
        (lambda path: rewrite(path, LONGER), "the first line of .*/log is not the one"),
        (
            lambda path: rewrite(path, line(0) + line(1000) * 5),
            "position 147 of .*/log is no longer the start of a line",
        ),
    ],
)
def test_a_log_replaced_while_it_is_read(
    log: Path, opened: Opener, change: Callable[[Path], object], match: str
) -> None:
    assert len(line(0)) == 49
    source = opened(log)
    records, positions = read_all(source)
    assert len(records) == 3
    raises_when(source, lambda: change(log), match)

    match_at_connect = "has no partition 0, which was read up to 147" if "gone" in match else match
    with pytest.raises(LogReplaced, match=match_at_connect):
        opened(log, positions, source.fingerprints())


def test_the_first_line_changed_in_place(log: Path, opened: Opener) -> None:
    source = opened(log)
    read_all(source)

    def change() -> None:
        with log.open("r+b") as file:
            file.write(line(8))

    raises_when(source, change, "the first line of .*/log is not the one that was read before")


def test_the_same_log_moved_into_place_is_read_on(log: Path, opened: Opener) -> None:
    source = opened(log)
    read_all(source)
    content = log.read_bytes()
    batch = read_when(source, lambda: replace(log, content + line(3)))
    assert keys(batch.records) == [b"n3.example.|A"]
    batch = read_when(source, lambda: append(str(log), [(b"n4.|A", b"[]", 0)]))
    assert keys(batch.records) == [b"n4.|A"]


def test_a_file_that_was_moved_away_is_left_alone(log: Path, opened: Opener) -> None:
    source = opened(log)
    read_all(source)
    content, old = log.read_bytes(), log.with_name("old")
    old.hardlink_to(log)
    read_when(source, lambda: replace(log, content + line(3)))
    source.read(max_records=1, timeout_s=0)
    before = source.wakeups
    writer = gevent.spawn(append, str(old), [(b"n4.|A", b"[]", 0)])
    assert source.read(max_records=5, timeout_s=0.2) == Batch([], {}, True)
    assert source.wakeups == before + 1  # the end of its time
    assert writer.value == [(0, len(content))]


@pytest.mark.parametrize("position", [1, 48, 50, 146])
def test_a_position_within_a_line(log: Path, opened: Opener, position: int) -> None:
    with pytest.raises(LogReplaced, match=f"position {position} of .*/log is no longer the start of a line"):
        opened(log, {("file", 0): position})


def test_positions_of_partitions_and_topics_that_are_not_there(tmp_path: Path, log: Path, opened: Opener) -> None:
    with pytest.raises(LogReplaced, match="topic dns, which a file log does not have"):
        opened(log, {("dns", 0): 5})
    with pytest.raises(LogReplaced, match="has no partition 3"):
        opened(log, {("file", 3): 49})
    with pytest.raises(LogReplaced, match="has no partition 0"):
        opened(tmp_path / "absent", {("file", 0): 49})
    opened(tmp_path / "absent", {("file", 0): 0, ("dns", 0): 0})


def test_an_empty_partition_may_go(tmp_path: Path, opened: Opener) -> None:
    append(f"{tmp_path}/", [(b"a.|A", b"[]", 0)], partition=0)
    (tmp_path / "1.jsonl").touch()
    source = opened(tmp_path)
    read_all(source)
    (tmp_path / "1.jsonl").unlink()
    source.read(max_records=1, timeout_s=0)
    assert source.ends().keys() == {("file", 0)}


def test_fingerprints_stay_the_same_while_the_log_grows(tmp_path: Path, opened: Opener) -> None:
    (tmp_path / "0.jsonl").write_bytes(line(0)[:5])
    source = opened(tmp_path)
    read_all(source)
    assert source.fingerprints() == {}
    with (tmp_path / "0.jsonl").open("ab") as file:
        file.write(line(0)[5:])
    read_all(source)
    first = source.fingerprints()
    assert first.keys() == {("file", 0)}
    append(f"{tmp_path}/", [(b"b.|A", b"[]", 0)], partition=0)
    append(f"{tmp_path}/", [(b"c.|A", b"[]", 0)], partition=1)
    _, positions = read_all(source)
    both = source.fingerprints()
    assert both.items() > first.items()
    assert both["file", 0] != both["file", 1]
    again = opened(tmp_path, {("file", 0): len(line(0))} | positions, both)
    assert again.fingerprints() == both
    assert read_all(again)[0] == []


def test_a_first_line_longer_than_the_fingerprint_covers(tmp_path: Path, opened: Opener) -> None:
    long = encode_line(b"k", json.dumps(["x" * 300_000]).encode(), 0)
    (tmp_path / "log").write_bytes(long + line(1))
    source = opened(tmp_path / "log")
    _, positions = read_all(source)
    assert opened(tmp_path / "log", positions, source.fingerprints()).fingerprints() == source.fingerprints()


# -- appending


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
from streamdns.events.sources.filelog import append, partition_files
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
