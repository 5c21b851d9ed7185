"""SIGKILL at random points under ingest: nothing lost, nothing twice, nothing half applied, whatever the moment."""

from __future__ import annotations

import functools
import itertools
import json
import pathlib
import random
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from streamdns.errors import ViewError
from streamdns.events.batch import Partition
from streamdns.view.journal import mark_of
from streamdns.view.reader import Inspector
from streamdns.view.verify import differences
from streamdns.view.view import open_readonly
from tests.harness import Server, event_line, model, viewing, wait_until
from tests.harness.model import Event

ROUNDS = 30
EVENTS = 9000
PARTITIONS = 3

# Appends lines as producers do, now and then in two writes, so that readers see torn lines.
_WRITER = """
import json, random, sys, time
chance = random.Random(int(sys.argv[1]))
files = [open(path, "ab", buffering=0) for path in sys.argv[2:]]
for line in sys.stdin.buffer:
    number, _, event = line.partition(b" ")
    file = files[int(number)]
    if chance.random() < 0.05:
        cut = chance.randrange(len(event))
        file.write(event[:cut])
        time.sleep(0.001)
        event = event[cut:]
    file.write(event)
    if chance.random() < 0.03:
        time.sleep(chance.random() * 0.05)
"""


def make_event(chance: random.Random, number: int) -> Event:
    """One event among few names, so that they are set, changed, deleted, refused and contested again and again."""
    zone = f"zone{chance.randrange(4)}.example."
    below = (f"n{chance.randrange(60)}.{zone}", f"n{chance.randrange(9)}.sub.{zone}", f"sub.{zone}")
    owner = chance.choice((zone, *below))
    rdtype = chance.choice(("A", "A", "A", "TXT", "CNAME", "NS", "SOA" if owner.endswith(zone) else "A"))
    content = {
        "A": f"192.0.2.{chance.randrange(9)}", "TXT": f'"text {chance.randrange(9)}"', "CNAME": "n1.zone1.example.",
        "NS": "ns.example.", "SOA": f"ns.example. host.example. {chance.randrange(9)} 2 3 4 5",
    }[rdtype]  # fmt: skip
    value: str | None = json.dumps([{"name": owner, "type": rdtype, "content": content, "ttl": 60}])
    kind = chance.random()
    if kind < 0.15:
        value = None
    elif kind < 0.2:
        value = "[]"
    elif kind < 0.25:
        value = "{ this is bad"
    # A key belongs to one partition, as producers have it, but for one in fifty.
    partition = sum(owner.encode()) % PARTITIONS if chance.random() < 0.98 else chance.randrange(PARTITIONS)
    return Event(partition, number // 3, f"{owner}|{rdtype}", value)


class Log:
    """The events with the position behind each, and what the model makes of any prefix."""

    def __init__(self, seed: int) -> None:
        chance = random.Random(seed)
        self.events = [make_event(chance, number) for number in range(EVENTS)]
        ends = [0] * PARTITIONS
        self.lines: list[bytes] = []
        self.behind: list[int] = []
        for event in self.events:
            value = json.loads(event.value) if event.value and event.value.startswith("[") else event.value
            line = event_line(event.key, value, event.timestamp)
            ends[event.partition] += len(line)
            self.lines.append(line)
            self.behind.append(ends[event.partition])

    def fold(self, positions: dict[Partition, int]) -> model.Expected:
        """The view at these positions."""
        behind = [positions.get(("file", number), 0) for number in range(PARTITIONS)]
        return model.fold(
            event for event, end in zip(self.events, self.behind, strict=True) if end <= behind[event.partition]
        )


@pytest.fixture(autouse=True)
def _remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The model meets the same few values in every fold."""
    monkeypatch.setattr(model, "parse_value", functools.cache(model.parse_value))
    monkeypatch.setattr(model, "parse_key", functools.cache(model.parse_key))


def check(server: Server, log: Log, last: dict[Partition, int]) -> dict[Partition, int]:
    """The view that a killed server left is exactly the log up to its positions; those."""
    try:
        store = open_readonly(str(server.view))
    except ViewError:
        assert not last, "there was a view"
        return {}
    try:
        with Inspector(store) as view:
            assert list(differences(view)) == []
            positions = {partition: position.next for partition, position in view.positions().items()}
            changes = [entry for entry in view.journal() if mark_of(entry) is None]
        assert all(positions.get(partition, 0) >= position for partition, position in last.items())
        expected = log.fold(positions)
        viewing.check(store, expected)
    finally:
        store.close()
    for number in range(PARTITIONS):
        mine = [entry.position for entry in changes if entry.partition == number]
        back = [(one, other) for one, other in itertools.pairwise(mine) if one >= other]
        assert back == [], f"an event of partition {number} was applied twice, or late"
    return positions


def moved(server: Server, last: dict[Partition, int]) -> bool:
    """Whether the server has committed anything since."""
    try:
        store = open_readonly(str(server.view))
    except ViewError:
        return False
    try:
        with Inspector(store) as view:
            return {partition: position.next for partition, position in view.positions().items()} != last
    finally:
        store.close()


@pytest.mark.slow
def test_sigkill_at_random_points_under_ingest(serve: Callable[..., Server], tmp_path: pathlib.Path) -> None:
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    chance = random.Random(seed)
    log = Log(seed)
    server = serve(partitions=PARTITIONS, start=False, DNS_BATCH_EVENTS="25", DNS_JOURNAL_SIZE=str(EVENTS))
    paths = [str(server.partition(number)) for number in range(PARTITIONS)]
    lines = tmp_path / "lines"
    pairs = zip(log.events, log.lines, strict=True)
    lines.write_bytes(b"".join(b"%d %b" % (event.partition, line) for event, line in pairs))
    last: dict[Partition, int] = {}
    command = [sys.executable, "-c", _WRITER, str(seed), *paths]
    with lines.open("rb") as stdin, subprocess.Popen(command, stdin=stdin) as writer:
        try:
            for number in range(ROUNDS):
                server.start(wait=False)
                if number % 3 and any(server.ends()[each] > last.get(("file", each), 0) for each in range(PARTITIONS)):
                    wait_until(functools.partial(moved, server, last), f"round {number}: something applied")
                    time.sleep(chance.random() * 0.1)  # not to wait for anything: the moment of the kill
                else:
                    time.sleep(chance.random() * 0.8)
                server.kill()
                last = check(server, log, last)
                print(f"round {number}: killed at {sorted(last.values())} of {sorted(server.ends().values())}")
            assert writer.wait(60) == 0
        finally:
            writer.kill()
    server.start()
    server.wait_applied()
    whole = log.fold({("file", number): end for number, end in server.ends().items()})
    status = server.status()
    assert status["digest"] == f"{whole.digest:064x}"
    assert (status["quarantine"], status["conflicts"]) == (whole.quarantined, len(whole.conflicts))
    assert server.stop() == 0
    check(server, log, last)
    fresh = serve(start=False, DNS_FILE_LOG=str(server.log)).start()
    fresh.wait_applied()
    again = fresh.status()
    same = ("digest", "zones", "nodes", "rrsets", "records", "quarantine", "conflicts")
    assert {name: again[name] for name in same} == {name: status[name] for name in same}
