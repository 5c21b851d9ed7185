"""A rebuilt view by which too much would go away is held: it follows its log, and takes over by itself or by a word."""

from __future__ import annotations

import pathlib
import time
from collections.abc import Sequence

import pytest

from streamdns.events.batch import Record
from streamdns.view import rebuild_request
from streamdns.view.rebuild_request import Acceptance
from tests.harness.consuming import Bench, Memory, bench, record, until

TENTH = 0.1
SOA = "ns. host. 1 2 3 4 5"


def names(count: int, *, first: int = 0) -> list[Record]:
    """So many names, without a zone."""
    return [record(first + number, f"n{number}.") for number in range(count)]


def zones(count: int) -> list[Record]:
    """So many zones, each with a SOA and nothing else."""
    return [record(number, f"z{number}.", SOA, rdtype="SOA") for number in range(count)]


def filled(path: pathlib.Path, records: Sequence[Record]) -> str:
    """A view of a first log; the path of its generation. A first fill has nothing to guard."""
    with bench(path, lambda: Memory(records), swap_guard=TENTH) as made:
        made.follows()
        assert made.progress.held is None
        return made.view.store.path


def is_held(made: Bench) -> bool:
    return made.progress.state == "held"


def accept(made: Bench, *, zones: int, rrsets: int, rebuild: str | None = None) -> None:
    """Leave the word, as the command and the API do."""
    assert made.view.rebuild is not None
    word = Acceptance(made.view.rebuild.id if rebuild is None else rebuild, zones, rrsets, "somebody", 1)
    rebuild_request.accept(made.view.path, word)


@pytest.mark.parametrize(
    ("before", "after", "holds"),
    [
        (names(20), names(18), False),  # a tenth exactly
        (names(20), names(17), True),
        (names(100), names(100), False),
        (zones(20), zones(18), False),
        (zones(20), zones(17), True),
        ([*zones(5), *names(100, first=5)], [*zones(4), *names(100, first=4)], True),  # few RRsets, but a zone of five
        (names(3), [record(0, "n1."), *names(1, first=1)], True),
    ],
)
def test_beyond_a_share_of_zones_or_of_rrsets_it_is_held(
    tmp_path: pathlib.Path, before: list[Record], after: list[Record], *, holds: bool
) -> None:
    old = filled(tmp_path, before)
    with bench(tmp_path, lambda: Memory(after, identity="two"), swap_guard=TENTH) as made:
        if not holds:
            made.follows()
            assert made.view.store.path != old
            assert made.registry.counter("consumer.alarms", reason="held").value == 0
            return
        until(lambda: is_held(made), "it is held")
        held = made.progress.held
        assert held is not None
        assert made.view.store.path == old
        assert (held.zones_served, held.rrsets_served) == (made.progress.view.zones, made.progress.view.rrsets)
        assert held.rrsets == len(before) - len(after)
        assert made.progress.last_alarm is not None
        assert made.progress.last_alarm[1] == held.reason == made.progress.error
        assert "more than DNS_SWAP_GUARD (10%)" in held.reason
        assert made.registry.counter("consumer.alarms", reason="held").value == 1
        assert made.progress.ready


def test_it_follows_its_log_and_takes_over_by_itself(tmp_path: pathlib.Path) -> None:
    old = filled(tmp_path, names(20))
    log = Memory(names(1), identity="two")
    with bench(tmp_path, lambda: log, swap_guard=TENTH) as made:
        until(lambda: is_held(made), "it is held")
        assert made.progress.view.rrsets == 20
        log.records += [record(number, f"n{number}.") for number in range(1, 17)]
        until(lambda: made.progress.held is not None and made.progress.held.rrsets == 3, "it is compared again")
        assert made.view.store.path == old
        log.records.append(record(17, "n17."))
        made.follows()
        assert made.view.store.path != old
        assert (made.progress.held, made.progress.view.rrsets, made.progress.error) == (None, 18, "")
        assert made.registry.counter("consumer.alarms", reason="held").value == 1


def test_while_nothing_changes_it_is_not_compared_again(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from streamdns.consumer import swap_guard

    filled(tmp_path, names(20))
    log = Memory(names(1), identity="two")
    compared = []
    differences = swap_guard.differences
    monkeypatch.setattr(swap_guard, "differences", lambda *given: (compared.append(1), differences(*given))[1])
    monkeypatch.setattr(swap_guard, "_LOOK_AGAIN_S", 0.0)
    with bench(tmp_path, lambda: log, swap_guard=TENTH) as made:
        until(lambda: is_held(made), "it is held")
        reads = log.reads
        until(lambda: log.reads > reads + 20, "the log is read on")
        assert len(compared) == 1
        log.records.append(record(1, "n1."))
        until(lambda: len(compared) == 2, "a change is looked at")


def test_a_word_for_what_was_shown_lets_it_take_over(
    tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    old = filled(tmp_path, [*zones(2), *names(18, first=2)])
    with bench(tmp_path, lambda: Memory(names(5), identity="two"), swap_guard=TENTH) as made:
        until(lambda: is_held(made), "it is held")
        accept(made, zones=2, rrsets=15)
        made.follows()
        assert made.view.store.path != old
        assert made.progress.view.rrsets == 5
        assert rebuild_request.accepted(made.view.path) is None
    assert "consumer.rebuild_accepted" in [each.getMessage() for each in caplog.records]


def test_a_word_for_another_view_or_for_less_does_nothing(
    tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    old = filled(tmp_path, names(20))
    log = Memory(names(5), identity="two")
    with bench(tmp_path, lambda: log, swap_guard=TENTH) as made:
        until(lambda: is_held(made), "it is held")
        accept(made, zones=0, rrsets=20, rebuild="view-000002-7")
        reads = log.reads
        until(lambda: log.reads > reads + 20, "the log is read on")
        assert made.view.store.path == old
        accept(made, zones=0, rrsets=14)
        until(lambda: rebuild_request.accepted(made.view.path) is None, "the word is void")
        assert made.view.store.path == old
    assert "consumer.acceptance_void" in [each.getMessage() for each in caplog.records]


def test_a_word_does_not_outlive_the_rebuild_it_was_for(tmp_path: pathlib.Path) -> None:
    old = filled(tmp_path, names(20))
    with bench(tmp_path, lambda: Memory(names(5), identity="two"), swap_guard=TENTH) as made:
        until(lambda: is_held(made), "it is held")
        made.stop()
        accept(made, zones=0, rrsets=15)
    with bench(tmp_path, lambda: Memory(names(4), identity="three"), swap_guard=TENTH) as made:
        until(lambda: made.progress.held is not None and made.progress.held.rrsets == 16, "the other one is held")
        assert made.view.store.path == old
        assert rebuild_request.accepted(made.view.path) is None


def test_a_word_while_no_process_runs_counts_at_the_next_start(tmp_path: pathlib.Path) -> None:
    old = filled(tmp_path, names(20))
    with bench(tmp_path, lambda: Memory(names(5), identity="two"), swap_guard=TENTH) as made:
        until(lambda: is_held(made), "it is held")
        made.stop()
        accept(made, zones=0, rrsets=15)
    with bench(tmp_path, lambda: Memory(names(5), identity="two"), swap_guard=TENTH) as made:
        made.follows()
        assert made.view.store.path != old


def test_the_next_start_knows_that_it_was_held_before_it_reads_the_log(tmp_path: pathlib.Path) -> None:
    from streamdns.errors import SourceError

    old = filled(tmp_path, names(20))
    with bench(tmp_path, lambda: Memory(names(5), identity="two"), swap_guard=TENTH) as made:
        until(lambda: is_held(made), "it is held")
        held = made.progress.held
    away = Memory(names(5), identity="two")
    away.fail = [SourceError("the broker is away")]
    with bench(tmp_path, lambda: away, swap_guard=TENTH, backoff_max_s=0.05) as made:
        until(lambda: made.progress.state == "reconnecting", "the log is away")
        assert made.progress.held == held
        until(lambda: is_held(made), "it is held again")
        assert made.progress.held == held
        assert made.view.store.path == old
        assert made.registry.counter("consumer.rebuilds").value == 0


def test_what_serves_grows_stale_only_where_it_gets_nothing(tmp_path: pathlib.Path) -> None:
    filled(tmp_path, names(20))
    with bench(tmp_path, lambda: Memory(names(5), identity="two"), swap_guard=TENTH) as made:
        until(lambda: is_held(made), "it is held")
        made.progress.stale_after_s = 0.02
        until(lambda: made.progress.stale, "it grows stale")
        assert not made.progress.ready
        assert made.progress.lag_s() > 0
    began_s = time.time()
    with bench(tmp_path, lambda: Memory(names(5), identity="two"), swap_guard=TENTH) as made:
        # The time before this start counts.
        until(lambda: is_held(made), "it is held")
        assert made.progress.lag_s() > time.time() - began_s


def test_one_from_the_same_log_is_held_and_what_serves_stays_up_to_date(tmp_path: pathlib.Path) -> None:
    log = Memory(names(20))
    with bench(tmp_path, lambda: log, swap_guard=TENTH) as made:
        made.follows()
        old = made.view.store.path
        # Its beginning was cut off, unseen: the view holds what no reader from the beginning finds.
        log.records[:5] = [record(number, "n19.") for number in range(5)]
        rebuild_request.ask(made.view.path, by="somebody", now_ms=1)
        until(lambda: is_held(made), "it is held, though somebody asked for it")
        assert made.progress.held is not None
        assert made.progress.held.rrsets == 5
        log.records.append(record(20, "late."))
        until(lambda: made.progress.view.rrsets == 21, "what serves gets it")
        made.progress.stale_after_s = 0.0
        until(lambda: made.progress.held is not None and made.progress.held.rrsets_served == 21, "compared again")
        assert not made.progress.stale
        assert made.view.store.path == old
        accept(made, zones=0, rrsets=5)
        made.follows()
        assert (made.view.store.path != old, made.progress.view.rrsets) == (True, 16)


def test_a_wider_guard_lets_it_take_over(tmp_path: pathlib.Path) -> None:
    filled(tmp_path, names(20))
    with bench(tmp_path, lambda: Memory(names(5), identity="two"), swap_guard=TENTH) as made:
        until(lambda: is_held(made), "it is held")
        made.consumer.set_swap_guard(0.8)
        made.follows()
        assert made.progress.view.rrsets == 5


def test_an_empty_log_takes_over_only_by_a_word(tmp_path: pathlib.Path) -> None:
    filled(tmp_path, names(2))
    with bench(tmp_path, lambda: Memory([], identity="two")) as made:
        until(lambda: is_held(made), "it is held, even with the guard off")
        assert made.progress.error.startswith("the log is empty, and 0 of 0 zones and 2 of 2 RRsets would go away")
        accept(made, zones=0, rrsets=2)
        made.follows()
        assert made.progress.view.rrsets == 0
