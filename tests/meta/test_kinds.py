"""The figures of what a reply and an event take: kept for each kind, compared strictly, counted the same each time."""

from __future__ import annotations

import pytest

from benchmarks import event_kinds, hostile_kinds, kinds
from benchmarks.kinds import KINDS, MIX, TOLERANCE, Cost

_NAMES = {*kinds.counted_kinds(), MIX}


def test_a_kind_that_takes_more_than_is_kept_is_named() -> None:
    figures = {name: [100.0, 10.0] for name in _NAMES}
    within = dict.fromkeys(_NAMES, Cost(100 * (1 + TOLERANCE), 10))
    assert kinds.dearer(within, figures) == []
    more = {"SOA": Cost(100 * (1 + TOLERANCE) + 1, 10), "MX": Cost(100, 20)}
    said = kinds.dearer(within | more, figures)
    assert sorted(each.split(":")[0] for each in said) == ["MX", "SOA"]
    assert kinds.dearer(within, {}) == [f"{name}: no figure is kept for it" for name in within]


def test_figures_are_kept_for_every_kind() -> None:
    figures = kinds.kept_figures()
    if figures is None:
        pytest.skip(f"no figures of Python {kinds.version()} are kept")
    assert set(figures) == _NAMES
    assert sum(kind.weight for kind in KINDS) == 100
    events = kinds.kept_figures(event_kinds.FIGURES)
    assert events is not None
    assert set(events) == {kind.name for kind in event_kinds.KINDS}


def test_what_is_counted_is_the_same_each_time() -> None:
    with kinds.answering() as answerer:
        for name, packets in kinds.counted_kinds().items():
            for packet in packets[:5]:
                answerer.reply(packet, False, 0)
            assert kinds.cost(answerer, packets[:5]) == kinds.cost(answerer, packets[:5]), name


def test_what_is_refused_takes_no_more_than_a_hit() -> None:
    """By the figures that are kept: a client who means no good gets nothing dear for a query of common length."""
    figures = kinds.kept_figures()
    if figures is None:
        pytest.skip(f"no figures of Python {kinds.version()} are kept")
    short = {kind.name for kind in hostile_kinds.messages(kinds.ORIGIN)} - hostile_kinds.LONG
    refused = {name: figures[name][0] / figures["hit"][0] for name in short}
    assert not {name: times for name, times in refused.items() if times > hostile_kinds.MOST_TIMES.get(name, 1.25)}
    assert {name for name in hostile_kinds.LONG if figures[name][0] > 10 * figures["hit"][0]} == set()


@pytest.mark.parametrize("kind", event_kinds.KINDS[:2], ids=lambda kind: str(kind.name))
def test_what_is_counted_of_an_event_is_the_same_each_time(kind: event_kinds.Kind) -> None:
    assert event_kinds.cost(kind) == event_kinds.cost(kind)
