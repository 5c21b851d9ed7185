"""Runs a consumer in this process, over a real view, with a log that is a list in memory."""

from __future__ import annotations

import copy
import json
import math
import pathlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import gevent

from streamdns.consumer.consumer import Consumer
from streamdns.consumer.progress import Progress
from streamdns.errors import LogReplaced, SourceError
from streamdns.events.batch import Batch, Partition, Record
from streamdns.metrics.registry import Registry
from streamdns.sources.base import Source
from streamdns.view.delete_guard import DeleteGuard
from streamdns.view.view import View

TOPIC = "zones"


def record(position: int, name: str, content: str = "192.0.2.1", *, rdtype: str = "A", partition: int = 0) -> Record:
    """An event that sets one record."""
    value = json.dumps([{"name": name, "type": rdtype, "content": content}]).encode()
    return Record(TOPIC, partition, position, position, f"{name}|{rdtype}".encode(), value)


class Memory:
    """A log of one partition as a list; `fail` is raised by the next call that reads.

    A Bench reads copies of it, which share all but how far they are: as with a real log, each is a source of its own.
    """

    def __init__(self, records: Sequence[Record], identity: str = "one") -> None:
        self.records, self.identity = list(records), identity
        self.unit, self.retention_s = "events", None
        self.fail: list[Exception] = []
        self.warnings: list[str] = []
        self.connects: list[dict[Partition, int]] = []
        self.reads = 0
        self._at = 0
        self._open = False
        self._log = self

    def connect(self, positions: Mapping[Partition, int], fingerprints: Mapping[Partition, str]) -> None:
        self.connects.append(dict(positions))
        if fingerprints.get((TOPIC, 0), self.identity) != self.identity:
            raise LogReplaced("the log is another one")
        self._at, self._open = positions.get((TOPIC, 0), 0), True

    def fingerprints(self) -> dict[Partition, str]:
        return {(TOPIC, 0): self.identity}

    def read(self, *, max_records: int, timeout_s: float) -> Batch:
        self._log.reads += 1
        deadline_s = time.monotonic() + timeout_s
        while True:
            if self._log.fail:
                raise self._log.fail.pop()
            if not self._open:
                raise SourceError("the log is closed")
            found = self.records[self._at : self._at + max_records]
            self._at += len(found)
            if found or time.monotonic() > deadline_s:
                at_end = self._at == len(self.records)
                return Batch(found, {(TOPIC, 0): self._at} if found else {}, at_end)
            gevent.sleep(0.001)
            if self._at == len(self.records):
                return Batch([], {}, True)

    def ends(self) -> dict[Partition, int]:
        return {(TOPIC, 0): len(self.records)}

    def ends_now(self) -> dict[Partition, int]:
        return self.ends()

    def close(self) -> None:
        self._open = False

    def describe(self) -> str:
        return "a list"

    def details(self) -> dict[str, Any]:
        return {"warnings": self._log.warnings}


def until(condition: Callable[[], Any], what: str) -> None:
    """Let the event loop turn until something is so."""
    deadline_s = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline_s, f"not after 20 s: {what}"
        gevent.sleep(0.002)


class Bench:
    """A consumer over a view in a directory."""

    def __init__(self, path: pathlib.Path, make_source: Callable[[], Source], **options: Any) -> None:
        self.view = View(str(path), max_bytes=options.pop("max_bytes", 1 << 28), holder="this test")
        self.registry = Registry()
        defaults = {"default_ttl": 3600, "journal_size": 100, "quarantine_size": 100, "batch_events": 100, "local": (),
                    "swap_guard": math.inf, "delete_guard": DeleteGuard(math.inf, 600_000)}
        options = defaults | options
        self.consumer = Consumer(self.view, lambda: copy.copy(make_source()), registry=self.registry, **options)
        self.greenlet: gevent.Greenlet | None = None

    @property
    def progress(self) -> Progress:
        return self.consumer.progress

    def start(self) -> None:
        self.consumer.start()
        self.greenlet = gevent.spawn(self.consumer.run)

    def stop(self) -> None:
        self.consumer.stop()
        if self.greenlet is not None:
            self.greenlet.join(20)
            assert self.greenlet.dead
            self.greenlet = None

    def follows(self) -> None:
        until(lambda: self.progress.state == "following", "it follows")


@contextmanager
def bench(path: pathlib.Path, make_source: Callable[[], Source], **options: Any) -> Iterator[Bench]:
    """A consumer that is stopped, and its view closed, at the end."""
    made = Bench(path, make_source, **options)
    try:
        made.start()
        yield made
    finally:
        made.stop()
        made.view.close()
