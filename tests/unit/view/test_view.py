"""The view against an independent fold of the log: any order of partitions, any split, any compaction, any crash."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from streamdns.view.journal import mark_of
from streamdns.view.reader import Inspector
from tests.harness import viewing
from tests.harness.model import Data, Event, compact, fold, parse_key

OWNERS = (
    ".", "org.", "example.org.", "www.example.org.", "a.www.example.org.", "*.example.org.", "sub.example.org.",
    "x.sub.example.org.", "b\\000x.example.org.", "example.net.",
)
CONTENTS = {
    "A": ("192.0.2.1", "192.0.2.2", "192.0.2.3"),
    "TXT": ('"one"', '"two" "three"'),
    "CNAME": ("www.example.org.", "Other.example.net."),
    "DNAME": ("example.net.",),
    "NS": ("ns1.example.org.", "ns2.example.net."),
    "MX": ("10 mail.example.org.",),
    "SOA": ("ns1.example.org. host.example.org. 1 2 3 4 5", "ns.example.net. host.example.net. 2 2 3 4 5"),
}
BAD = ("{", "7", "[1]", '[{"name": "."}]', '[{"name": "example.com.", "type": "A", "content": "192.0.2.1"}]')


@st.composite
def values(draw: st.DrawFn, owner: str, rdtype: str) -> str | None:
    kind = draw(st.sampled_from(("set", "set", "set", "tombstone", "empty", "bad", "half")))
    if kind == "tombstone":
        return None
    if kind == "empty":
        return "[]"
    if kind == "bad":
        return draw(st.sampled_from(BAD))
    size = 1 if rdtype in ("CNAME", "SOA", "DNAME") else 3
    contents = draw(st.lists(st.sampled_from(CONTENTS[rdtype]), min_size=1, max_size=size))
    records = [
        {"name": owner, "type": rdtype, "content": content} | draw(st.sampled_from(({}, {"ttl": 60}, {"ttl": 300})))
        for content in contents
    ]
    if kind == "half":
        records.append({"name": owner, "type": rdtype, "content": "\"open"})
    return json.dumps(records)


@st.composite
def events(draw: st.DrawFn) -> Event:
    owner = draw(st.sampled_from(OWNERS))
    rdtype = draw(st.sampled_from(tuple(CONTENTS)))
    key: str | None = f"{owner}|{rdtype}"
    spelling = draw(st.sampled_from(("canonical",) * 8 + ("upper", "lower type", "none", "no type")))
    if spelling == "upper":
        key = f"{owner.upper()}|{rdtype}"
    elif spelling == "lower type":
        key = f"{owner}|{rdtype.lower()}"
    elif spelling == "none":
        key = None
    elif spelling == "no type":
        key = owner
    return Event(draw(st.integers(0, 2)), draw(st.integers(0, 3)), key, draw(values(owner, rdtype)))


logs = st.lists(events(), max_size=30)


def interleaved(log: Sequence[Event], seed: int) -> list[Event]:
    """The same partitions, mixed in another way."""
    partitions = {number: [event for event in log if event.partition == number] for number in range(3)}
    turns = [event.partition for event in log]
    random.Random(seed).shuffle(turns)
    return [partitions[number].pop(0) for number in turns]


@given(log=logs, seed=st.integers(0, 9), size=st.integers(1, 31), claims=st.integers(1, 4))
@settings(max_examples=300)
def test_any_order_of_partitions_and_any_split_give_what_the_model_says(
    log: list[Event], seed: int, size: int, claims: int
) -> None:
    expected = fold(log)
    with viewing.folder() as path, viewing.opened(path) as store:
        viewing.apply(viewing.writer(store, claims_a_commit=claims), interleaved(log, seed), size=size)
        viewing.check(store, expected)


@given(log=logs, size=st.integers(1, 31), claims=st.integers(1, 3))
@settings(max_examples=100)
def test_after_every_commit_all_that_is_derived_is_right(log: list[Event], size: int, claims: int) -> None:
    with viewing.folder() as path, viewing.opened(path) as store:
        to, reading = viewing.writer(store, claims_a_commit=claims), viewing.Reading()
        for at in range(0, len(log), size):
            to.apply(reading.batch(log[at : at + size]), {}, 1)
            viewing.check_derived(store)
            assert viewing.found(store).digest == fold(log[: at + size]).digest


@given(log=logs, at=st.integers(0, 30), size=st.integers(1, 31))
@settings(max_examples=100)
def test_a_log_compacted_at_any_time_gives_the_same_digest_and_data(log: list[Event], at: int, size: int) -> None:
    expected = fold(log)
    shorter = [*compact(log[:at]), *log[at:]]
    with viewing.folder() as path, viewing.opened(path) as store:
        viewing.apply(viewing.writer(store, claims_a_commit=3), shorter, size=size)
        result = viewing.found(store)
        viewing.check_derived(store)
    assert result.digest == expected.digest
    # What a rejected event left standing may have been compacted away; everything else is the same.
    refused = {parsed[0] for event in log if (parsed := parse_key(event.key)) and _refused(event)}
    assert {k: v for k, v in result.served.items() if k not in refused} == {
        k: v for k, v in expected.served.items() if k not in refused
    }
    assert {c for c in result.conflicts if c[0] != "cname"} == {c for c in expected.conflicts if c[0] != "cname"}


def _refused(event: Event) -> bool:
    return fold([event]).quarantined == 1


@given(log=logs, size=st.integers(1, 8), seed=st.integers(0, 1000))
@settings(max_examples=100)
def test_a_crash_at_any_point_loses_nothing_and_applies_nothing_twice(log: list[Event], size: int, seed: int) -> None:
    chance = random.Random(seed)
    partitions = {number: [event for event in log if event.partition == number] for number in range(3)}
    with viewing.folder() as path:
        while True:
            with viewing.opened(path) as store:
                to, reading = viewing.writer(store, claims_a_commit=2), viewing.Reading()
                with Inspector(store) as view:
                    reading.positions = {each: position.next for each, position in view.positions().items()}
                rest = [
                    event for number in range(3)
                    for event in partitions[number][reading.positions.get((viewing.TOPIC, number), 0) :]
                ]
                crash = chance.random() < 0.5
                if not crash or not rest:
                    viewing.apply(to, rest, size=size, reading=reading)
                    break
                rest = rest[: chance.randrange(len(rest)) + 1]
                to.apply(reading.batch(rest[:size]), {}, 1)
                _abort(to, reading, rest[size:])
        with viewing.opened(path) as store:
            viewing.check(store, fold(log))
            with Inspector(store) as view:
                journal = [(entry.partition, entry.position) for entry in view.journal() if mark_of(entry) is None]
            for number in range(3):
                positions = [position for partition, position in journal if partition == number]
                assert positions == sorted(set(positions))


def _abort(to: viewing.Writer, reading: viewing.Reading, log: Sequence[Event]) -> None:
    """Do all the work of a commit but the commit."""
    from streamdns.view.writer import _Commit

    work = _Commit(to, 1)
    batch = reading.batch(log)
    work.apply(batch.records)
    work.store_positions(batch, {})
    work.txn.abort()


@given(log=logs, size=st.integers(1, 31), data=st.data())
@settings(max_examples=150)
def test_local_records_win_are_in_no_digest_and_are_rewritten(
    log: list[Event], size: int, data: st.DataObject
) -> None:
    names = st.tuples(st.sampled_from([b"\3org\0", b"\7example\3org\0", b"\3www\7example\3org\0"]), st.just("A"))
    sets = st.dictionaries(names, st.just(Data(5, (b"\x7f\0\0\1",))), max_size=3)
    first, second = data.draw(sets), data.draw(sets)
    half = len(log) // 2
    with viewing.folder() as path, viewing.opened(path) as store:
        to, reading = viewing.writer(store), viewing.Reading()
        to.set_local(viewing.local(list(first.items())), 1)
        viewing.apply(to, log[:half], size=size, reading=reading)
        viewing.check(store, fold(log[:half], list(first.items())))
        to.set_local(viewing.local(list(second.items())), 2)
        viewing.check(store, fold(log[:half], list(second.items())))
        viewing.apply(to, log[half:], size=size, reading=reading)
        viewing.check(store, fold(log, list(second.items())))
        to.set_local([], 3)
        viewing.check(store, fold(log))
