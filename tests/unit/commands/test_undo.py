"""`streamdns journal --undo`: what stood before a span of time stands again, and what cannot be put back is said."""

from __future__ import annotations

import json
import pathlib
import random

import pytest

from streamdns.view.store import encode_state
from streamdns.view.view import View
from tests.harness import event_line, model, viewing
from tests.harness.model import Event, Expected, Name
from tests.unit.commands.test_cli import Commands

FILLED, MISTAKE, LATER, AFTER = 1_000_000, 2_000_000, 3_000_000, 4_000_000
UNDO = ("journal", "--since", str(MISTAKE), "--undo")
SOA = "ns.example. host.example. 1 2 3 4 5"


@pytest.fixture
def run(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Commands:
    return Commands(tmp_path, monkeypatch)


def write(run: Commands, *events: tuple[str, str, object], timestamp: int = 1, partition: int | None = None) -> None:
    """Append events: owner, type, and contents, None for a delete or text as it stands; TTL 60."""
    path = run.log if partition is None else run.log / f"{partition}.jsonl"
    with path.open("ab") as file:
        for owner, rdtype, contents in events:
            value = contents
            if isinstance(contents, list):
                value = [{"name": owner, "type": rdtype, "content": each, "ttl": 60} for each in contents]
            file.write(event_line(f"{owner}|{rdtype}", value, timestamp))


def held(run: Commands) -> Expected:
    """What the view holds."""
    view = View(str(run.view), max_bytes=1 << 30, holder="this test")
    try:
        viewing.check_derived(view.store)
        return viewing.found(view.store)
    finally:
        view.close()


def base(run: Commands, count: int = 5) -> Expected:
    """A zone, filled into the view."""
    write(run, ("example.", "SOA", [SOA]), *((f"n{each}.example.", "A", ["192.0.2.1"]) for each in range(count)))
    run.apply(now_ms=FILLED)
    return held(run)


def same(run: Commands, before: Expected) -> None:
    """The view is what it was."""
    now = held(run)
    assert served(now) == served(before)
    assert (now.zones, now.digest) == (before.zones, before.digest)


def served(found: Expected) -> dict[Name, tuple[int, list[bytes]]]:
    """The RRsets; the order of their records says nothing."""
    return {name: (data.ttl, sorted(data.rdatas)) for name, data in found.served.items()}


def test_what_was_deleted_changed_and_new_is_put_back(run: Commands) -> None:
    before = base(run)
    write(run, ("n0.example.", "A", None), ("n1.example.", "A", ["192.0.2.9", "192.0.2.8"]),
          ("new.example.", "TXT", ['"x"']), ("example.", "SOA", None), ("n2.example.", "A", []))
    run.apply(now_ms=MISTAKE)
    shown = run.ok(*UNDO, "--dry-run")
    assert shown.out.splitlines() == [
        "+ n0.example. A", "~ n1.example. A", "+ n2.example. A", "- new.example. TXT", "+ example. SOA",
        "5 RRsets would be put back: 3 set again, 1 changed back, 1 deleted",
    ]
    count = len(run.events())
    refused = run(*UNDO)
    assert (refused.code, len(run.events())) == (1, count)
    assert "only with --yes where nobody can be asked" in refused.err
    done = run.ok(*UNDO, "--yes")
    assert done.out.splitlines()[-1] == "5 RRsets put back"
    assert len(run.events()) == count + 5
    run.apply(now_ms=AFTER)
    same(run, before)
    again = run.ok(*UNDO, "--yes")
    assert again.out == "0 RRsets would be put back: 0 set again, 0 changed back, 0 deleted\n"
    assert len(run.events()) == count + 5


NAMES = ["example.", "a.example.", "b.example.", "*.example.", "c.b.example.", "sub.example.", "other."]
CONTENTS = {
    "A": ["192.0.2.1", "192.0.2.2"], "TXT": ['"x"', '"y"'], "CNAME": ["a.example.", "b.example."],
    "SOA": [SOA, SOA.replace(" 1 ", " 2 ")], "NS": ["ns.example.", "a.example."],
}


@pytest.mark.parametrize("seed", range(12))
def test_whatever_happened_is_put_back(run: Commands, seed: int) -> None:
    """Random events in two partitions, with timestamps in no order and beyond now."""
    chance = random.Random(seed)
    run.log.mkdir()
    everything: list[Event] = []

    def happens(count: int) -> None:
        for _ in range(count):
            partition, timestamp = chance.randrange(2), chance.choice((1, 5, 9, 1 << 42))
            owner, rdtype = chance.choice(NAMES), chance.choice(list(CONTENTS))
            most = 1 if rdtype in ("CNAME", "SOA") else 2
            contents = chance.choice([chance.sample(CONTENTS[rdtype], chance.randint(1, most))] * 3 + [None])
            write(run, (owner, rdtype, contents), timestamp=timestamp, partition=partition)
            value = None if contents is None else json.dumps(
                [{"name": owner, "type": rdtype, "content": each, "ttl": 60} for each in contents]
            )
            everything.append(Event(partition, timestamp, f"{owner}|{rdtype}", value))

    happens(40)
    run.apply(now_ms=FILLED)
    happens(10)
    run.apply(now_ms=LATER - 1)
    before = held(run)
    assert served(before) == served(model.fold(everything))
    happens(60)
    run.apply(now_ms=LATER)
    run.ok("journal", "--since", str(LATER), "--undo", "--yes")
    run.apply(now_ms=AFTER)
    same(run, before)


def test_a_fill_is_no_change_that_could_be_undone(run: Commands) -> None:
    before = base(run)
    done = run("journal", "--since", "0", "--undo", "--yes")
    assert done.code == 1
    assert "0 RRsets would be put back" in done.out
    assert "the journal begins at 1970-01-01T00:16:40.000Z, when the view was filled" in done.err
    write(run, ("n0.example.", "A", None))
    run.apply(now_ms=MISTAKE)
    done = run("journal", "--since", "0", "--undo", "--yes")
    assert (done.code, done.out.splitlines()[-1]) == (1, "1 RRsets put back")
    run.apply(now_ms=AFTER)
    same(run, before)


def test_a_journal_that_is_too_short_is_said(run: Commands) -> None:
    base(run, count=30)
    write(run, *((f"n{each}.example.", "A", None) for each in range(30)))
    run.apply(now_ms=MISTAKE, journal_size=10)
    write(run, ("late.example.", "A", ["192.0.2.1"]))
    run.apply(now_ms=LATER, journal_size=10)
    # What is younger than the oldest entry is there whole.
    assert run("journal", "--since", str(LATER), "--undo", "--dry-run").code == 0
    done = run(*UNDO, "--yes")
    assert done.code == 1
    assert "reaches back to 1970-01-01T00:33:20.000Z: what changed before is not put back" in done.err
    assert done.out.splitlines()[-1] == "10 RRsets put back"
    run.apply(now_ms=AFTER, journal_size=10)
    assert sum(rdtype == "A" for _, rdtype in held(run).served) == 9


def test_another_size_of_the_journal_begins_it_anew(run: Commands) -> None:
    base(run)
    write(run, ("n0.example.", "A", None))
    run.apply(now_ms=MISTAKE)
    write(run, ("n1.example.", "A", None))
    run.apply(now_ms=LATER, journal_size=7)
    done = run(*UNDO, "--dry-run")
    assert (done.code, done.out.splitlines()[0]) == (1, "+ n1.example. A")
    assert "the journal begins at 1970-01-01T00:50:00.000Z, when the view was filled or DNS_J" in done.err


def test_without_a_journal_nothing_can_be_put_back(run: Commands) -> None:
    base(run)
    run.apply(now_ms=LATER, journal_size=0)
    done = run(*UNDO)
    assert (done.code, done.err) == (1, "streamdns: there is no journal: DNS_JOURNAL_SIZE is 0\n")


def test_what_is_too_large_for_the_journal_is_said(run: Commands) -> None:
    write(run, ("big.example.", "TXT", [f'"{number:0200}"' for number in range(40)]))
    base(run)
    write(run, ("big.example.", "TXT", None), ("n0.example.", "A", None))
    run.apply(now_ms=MISTAKE)
    done = run(*UNDO, "--yes")
    assert (done.code, done.out.splitlines()[-1]) == (1, "1 RRsets put back")
    assert "too large for the journal, so not put back: big.example. TXT" in done.err


def by(owner: str, address: str, producer: str) -> tuple[str, str, object]:
    value = [{"name": owner, "type": "A", "content": address, "ttl": 60, "metadatas": {"producer": producer}}]
    return owner, "A", json.dumps(value)


def test_one_producer_or_one_zone_or_a_span_is_put_back_and_what_others_did_stays(run: Commands) -> None:
    base(run)
    write(run, by("n0.example.", "192.0.2.50", "mistaken"), by("n1.example.", "192.0.2.51", "mistaken"),
          by("n2.example.", "192.0.2.52", "other"), by("x.elsewhere.", "192.0.2.53", "mistaken"))
    run.apply(now_ms=MISTAKE)
    write(run, by("n1.example.", "192.0.2.61", "other"), ("n3.example.", "A", None))
    run.apply(now_ms=LATER)

    def shown(*options: str, code: int) -> list[str]:
        done = run(*UNDO, "--dry-run", *options)
        assert done.code == code, done
        return [*done.out.splitlines()[:-1], *done.err.splitlines()]

    left = "streamdns: changed since by what is not undone here, so left as they are: n1.example. A"
    assert shown("--producer", "mistaken", code=1) == ["~ n0.example. A", "- x.elsewhere. A", left]
    assert shown("--until", str(MISTAKE), code=1) == ["~ n0.example. A", "~ n2.example. A", "- x.elsewhere. A", left]
    assert shown("--zone", "elsewhere.", code=0) == ["- x.elsewhere. A"]
    assert shown("--name", "n1.example.", code=0) == ["~ n1.example. A"]
    assert run("journal", "--undo", "--since", "yesterday").err.startswith("streamdns: --since yesterday is neither")
    # An event that the view has not met yet.
    write(run, by("n0.example.", "192.0.2.70", "other"))
    assert shown("--name", "n0.example.", code=1)[-1].endswith("so left as they are: n0.example. A")


def test_what_a_rejected_event_left_standing_is_put_back_and_not_deleted(run: Commands) -> None:
    base(run)
    write(run, ("n0.example.", "A", "nonsense"))
    run.apply(now_ms=MISTAKE - 1)
    before = held(run)
    write(run, ("n0.example.", "A", ["192.0.2.77"]))
    run.apply(now_ms=MISTAKE)
    run.ok(*UNDO, "--yes")
    run.apply(now_ms=AFTER)
    assert held(run).served == before.served


def test_a_view_of_an_older_version_counts_from_its_next_commit(run: Commands) -> None:
    before = base(run)
    view = View(str(run.view), max_bytes=1 << 30, holder="this test")
    state = view.store.state()
    state.journal_filled, state.journal_since_ms = -1, 0
    with view.store.begin(write=True) as txn:
        txn.put(b"state", encode_state(state), db=view.store.meta)
    view.close()
    assert "its journal cannot be used yet" in run(*UNDO).err
    write(run, ("n0.example.", "A", None))
    run.apply(now_ms=MISTAKE + 1)
    assert run("journal", "--since", str(MISTAKE + 2), "--undo", "--dry-run").code == 0
    done = run("journal", "--since", "0", "--undo", "--yes")
    assert (done.code, done.out.splitlines()[-1]) == (1, "1 RRsets put back")
    run.apply(now_ms=AFTER)
    same(run, before)


@pytest.mark.parametrize(
    "arguments", [("--undo",), ("--undo", "--since", "1", "--follow"), ("--undo", "--since", "1", "--json"),
                  ("--undo", "--since", "1", "--node", "x:1"), ("--dry-run",), ("--yes",), ("--until", "1")],
)
def test_options_that_do_not_go_together_are_refused(run: Commands, arguments: tuple[str, ...]) -> None:
    assert run("journal", *arguments).code == 2
