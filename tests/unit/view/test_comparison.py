"""What a rebuilt view changes, counted; against a comparison of two dictionaries."""

from __future__ import annotations

import pathlib
import random

import pytest

from streamdns.view import comparison
from streamdns.view.comparison import Differences, differences
from streamdns.view.store import Store
from tests.harness import viewing
from tests.harness.model import Data, Event, Expected, wire_name

NAMES = [f"n{number}.example." for number in range(12)] + ["example.", "sub.example.", "*.example.", "."]
CONTENTS = {"A": ["192.0.2.1", "192.0.2.2"], "TXT": ['"x"', '"y"'], "CNAME": ["n1.example.", "n2.example."],
            "SOA": ["ns. host. 1 2 3 4 5", "ns. host. 2 2 3 4 5"]}


def go_on() -> bool:
    return True


def random_events(chance: random.Random, count: int) -> list[Event]:
    """Sets, deletes and bad events, some of them in two partitions."""
    made = []
    for number in range(count):
        owner, rdtype = chance.choice(NAMES), chance.choice(list(CONTENTS))
        contents = chance.sample(CONTENTS[rdtype], chance.choice([1, 1, 2] if rdtype not in ("CNAME", "SOA") else [1]))
        ttl = chance.choice((60, 61))
        records = ", ".join(
            f'{{"name": "{owner}", "type": "{rdtype}", "content": "{content.replace(chr(34), chr(92) + chr(34))}", '
            f'"ttl": {ttl}}}' for content in contents
        )
        value = chance.choice([f"[{records}]"] * 6 + [None, "[]", "{"])
        made.append(Event(chance.randrange(2), number, f"{owner}|{rdtype}", value))
    return made


def by_dictionaries(before: Expected, after: Expected) -> Differences:
    old, new = before.served, after.served

    def data(found: Data) -> tuple[int, list[bytes]]:
        return found.ttl, sorted(found.rdatas)

    return Differences(
        len(new.keys() - old.keys()),
        len(old.keys() - new.keys()),
        sum(data(old[each]) != data(new[each]) for each in old.keys() & new.keys()),
        len(before.zones.keys() - after.zones.keys()),
    )


def test_it_counts_what_dictionaries_count() -> None:
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    chance = random.Random(seed)
    for _ in range(40):
        with viewing.folder() as path, viewing.opened(path / "a") as old, viewing.opened(path / "b") as new:
            events = random_events(chance, chance.choice((0, 5, 60)))
            own = viewing.local([((wire_name("n0.example."), "A"), Data(5, (b"\x7f\0\0\1",)))])
            for store, more in ((old, 0), (new, chance.choice((0, 1, 40)))):
                writer = viewing.writer(store)
                viewing.apply(writer, [*events, *random_events(chance, more)] or [Event(0, 0, "x.|A", None)])
                if chance.random() < 0.3:
                    writer.set_local(own, 1)
            found = differences(old, new, go_on)
            assert found == by_dictionaries(viewing.found(old), viewing.found(new))
            back = differences(new, old, go_on)
            assert found is not None
            assert back is not None
            assert back[:3] == (found.removed, found.added, found.changed)


def a(owner: str, content: str, *, timestamp: int = 1) -> Event:
    return Event(0, timestamp, f"{owner}|A", f'[{{"name": "{owner}", "type": "A", "content": "{content}", "ttl": 60}}]')


def test_where_it_came_from_and_the_order_of_records_do_not_count(tmp_path: pathlib.Path) -> None:
    def two(first: str, second: str) -> Event:
        records = [f'{{"name": "x.", "type": "A", "content": "{each}", "ttl": 60}}' for each in (first, second)]
        return Event(0, 7, "x.|A", f"[{', '.join(records)}]")

    with viewing.opened(tmp_path / "a") as old, viewing.opened(tmp_path / "b") as new:
        viewing.apply(viewing.writer(old), [a("y.", "192.0.2.9"), two("192.0.2.1", "192.0.2.2")])
        viewing.apply(viewing.writer(new), [Event(0, 1, "z.|A", None), two("192.0.2.2", "192.0.2.1"),
                                            a("y.", "192.0.2.9", timestamp=99)])
        found = differences(old, new, go_on)
        assert found == (0, 0, 0, 0)
        assert found.same_data


def test_equal_digests_are_believed_only_where_they_have_everything(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    walked = []
    count = comparison._count
    monkeypatch.setattr(comparison, "_count", lambda *given: (walked.append(1), count(*given))[1])
    with viewing.opened(tmp_path / "a") as old, viewing.opened(tmp_path / "b") as new:
        for store in (old, new):
            viewing.apply(viewing.writer(store), [a("x.", "192.0.2.1")])
        assert differences(old, new, go_on) == (0, 0, 0, 0)
        assert not walked
        # An instance's own records are in no digest.
        own = [((wire_name("own."), "A"), Data(5, (b"\x7f\0\0\1",)))]
        viewing.writer(new).set_local(viewing.local(own), 1)
        assert old.state().digest == new.state().digest
        assert differences(old, new, go_on) == (1, 0, 0, 0)
        assert walked


def test_it_stops_when_told_and_gives_up_what_cannot_be_read(tmp_path: pathlib.Path) -> None:
    with viewing.opened(tmp_path / "a") as old, viewing.opened(tmp_path / "b") as new:
        viewing.apply(viewing.writer(old), [a(f"n{number}.", "192.0.2.1") for number in range(3000)])
        assert differences(old, new, lambda: False) is None
        assert differences(old, new, go_on) == (0, 3000, 0, 0)
        assert differences(new, old, go_on) == (3000, 0, 0, 0)
        viewing.apply(viewing.writer(new), [a("n7.", "192.0.2.2")])
        damage(old)
        assert differences(old, new, go_on) is None


def damage(store: Store) -> None:
    """A node that no writer has written."""
    with store.begin(write=True) as txn, txn.cursor(store.nodes) as cursor:
        for key in [key for key, _ in cursor]:
            txn.put(key, b"\0\0\0\5rest", db=store.nodes)
