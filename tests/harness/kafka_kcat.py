"""Reads a topic with kcat, a program that shares no code with the clients under test but librdkafka."""

from __future__ import annotations

import shutil
import subprocess

from tests.harness.kafka_topics import DEADLINE_S, Seen, Topic


def missing() -> str:
    """Why it cannot be asked, or nothing."""
    return "" if shutil.which("kcat") else "not installed: kcat"


def read(topic: Topic) -> list[Seen]:
    """All of a topic, in the order of partition and offset."""
    done = subprocess.run(
        ["kcat", "-b", topic.broker.address(), "-t", topic.name, "-C", "-e", "-q", "-o", "beginning", "-u",
         "-X", "check.crcs=true", "-X", "isolation.level=read_committed", "-f", "%p %o %T %K %S %k%s\n"],
        capture_output=True, check=False, timeout=DEADLINE_S,
    )
    assert done.returncode == 0, done.stderr
    rest, found = done.stdout, []
    while rest:
        *numbers, rest = rest.split(b" ", 5)
        partition, offset, timestamp, key_size, value_size = map(int, numbers)
        key, rest = _cut(rest, key_size)
        value, rest = _cut(rest, value_size)
        assert rest[:1] == b"\n", rest[:100]
        rest = rest[1:]
        found.append(Seen(partition, offset, timestamp, key, value))
    return sorted(found, key=lambda each: each[:2])


def _cut(data: bytes, size: int) -> tuple[bytes | None, bytes]:
    return (None, data) if size < 0 else (data[:size], data[size:])
