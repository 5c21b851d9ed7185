"""The figures of what a reply takes: kept for each kind, compared strictly, counted the same each time."""

from __future__ import annotations

import pytest

from benchmarks import kinds
from benchmarks.kinds import KINDS, MIX, TOLERANCE, Cost

_NAMES = {kind.name for kind in KINDS} | {MIX}


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


def test_what_is_counted_is_the_same_each_time() -> None:
    with kinds.answering() as answerer:
        for kind in KINDS:
            packets = kinds.queries(kind)[:5]
            assert all(answerer.reply(packet, False, 0) for packet in packets)
            assert kinds.cost(answerer, packets) == kinds.cost(answerer, packets), kind.name
