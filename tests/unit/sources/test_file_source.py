"""The file log as a source: real files, the kernel's own notices."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import gevent
import pytest

from streamdns.errors import LogReplaced, SourceError
from streamdns.events.batch import Batch, Record
from streamdns.runtime.turns import Stint
from streamdns.sources import file as file_module
from streamdns.sources.base import Source
from streamdns.sources.file import LINES_AT_ONCE, FileSource
from streamdns.sources.filelog import MAX_LINE_BYTES, append, decode_line, encode_line
from tests.harness import wait_until
from tests.harness.filelog import DEADLINE_S, NEVER_S, Opener, keys, line, read_all, read_when
from tests.harness.process import open_descriptors


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
    before = open_descriptors()
    source = opened(tmp_path)
    for _ in range(5):
        source.connect({}, {})
        assert keys(read_all(source)[0]) == [b"a.|A"]
    for _ in range(5):
        with pytest.raises(LogReplaced):
            source.connect({("file", 9): 1}, {})
    wait_until(lambda: open_descriptors() <= before, "all descriptors are given back")
    source.connect({}, {})
    assert keys(read_all(source)[0]) == [b"a.|A"]


@pytest.fixture
def turns_taken(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many records were there at each turn that reading took, with no time for any two pieces in the same one."""
    taken: list[int] = []
    decoded = [0]

    class Counting(Stint):
        def __call__(self) -> None:
            taken.append(decoded[0])
            super().__call__()

    def decode(line: bytes, partition: int, position: int, pause: Callable[[], None] | None) -> Record | None:
        decoded[0] += 1
        return decode_line(line, partition, position, pause)

    monkeypatch.setattr(file_module, "Stint", Counting)
    monkeypatch.setattr(file_module, "STINT_S", 0.0)
    monkeypatch.setattr(file_module, "decode_line", decode)
    return taken


@pytest.mark.plain
def test_many_lines_are_decoded_in_several_turns(tmp_path: Path, opened: Opener, turns_taken: list[int]) -> None:
    """A chunk of a file has thousands of them: all in one turn would keep queries waiting for some milliseconds."""
    append(f"{tmp_path}/log", [(b"n%d.|A" % index, b"[]", index) for index in range(2000)])
    assert len(read_all(opened(tmp_path / "log"))[0]) == 2000
    steps = [later - before for before, later in pairwise([0, *turns_taken])]
    assert max(steps) <= LINES_AT_ONCE < 200
    assert turns_taken[-1] == 2000


@pytest.mark.plain
def test_a_long_line_is_read_and_decoded_in_several_turns(
    tmp_path: Path, opened: Opener, turns_taken: list[int]
) -> None:
    """Events of 1 MB, some of them text that is no array: one for itself, and in steps of reading and of decoding."""
    values = [b'[{"x":"' + b"a" * 1_000_000 + b'"}]', b'"\\"' * 300_000, b"[]", b'["' + b"b" * 100_000 + b'"]']
    append(f"{tmp_path}/log", [(b"n%d.|A" % index, value, index) for index, value in enumerate(values * 2)])
    records, _ = read_all(opened(tmp_path / "log"))
    assert [record.value for record in records] == values * 2
    # Three reads of 256 KiB behind the first; then the two steps of decoding, the end of it, and the next one's reads.
    assert turns_taken.count(0) >= 3
    assert turns_taken.count(1) >= 2 + 1 + 4
    assert turns_taken.count(2) >= 2 + 1
    assert set(range(9)) - {3, 7} <= set(turns_taken)
