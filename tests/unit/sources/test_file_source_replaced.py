"""The file log as a source notices that the log is another one."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import gevent
import pytest

from streamdns.errors import LogReplaced
from streamdns.events.batch import Batch
from streamdns.sources.file import FileSource
from streamdns.sources.filelog import append, encode_line
from tests.harness.filelog import DEADLINE_S, NEVER_S, Opener, keys, line, read_all, read_when


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
