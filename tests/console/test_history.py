"""Rates, quantiles and curves out of cumulative figures."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamdns_console.history import Counts, History, gauge_of, quantile_of, rate_of
from streamdns_console.plot import Curve, Scale, bar, ceiling, plot, sparkline, stacked
from streamdns_console.speeds import Speeds

from streamdns.admin.schema.state import Consumer
from tests.console import fake
from tests.console.fake import history, metrics


def test_a_steady_rate_is_found_again() -> None:
    """100 queries a second, and as many NXDOMAIN as the fake adds."""
    found = history(seconds=60, per_second=lambda _: 100)
    assert found.rate("dns.queries") == pytest.approx(104, rel=0.02)
    assert found.rate("dns.unknown") == 0
    assert History().rate("dns.queries") is None


def test_a_rate_is_smoothed_over_the_last_seconds_only() -> None:
    """What was before does not count."""
    found = history(seconds=60, per_second=lambda second: 1000 if second < 40 else 10)
    rate = found.rate("dns.queries")
    assert rate is not None
    assert 9 < rate < 12


def test_quantiles_are_interpolated_within_their_bucket() -> None:
    """Half of them below a tenth of a millisecond."""
    p50, p99 = history(seconds=30).quantiles("dns.latency_seconds", 0.5, 0.99)
    assert p50 == pytest.approx(0.0001, rel=0.01)
    assert p99 is not None
    assert 0.0001 < p99 <= 0.001


def test_a_process_that_began_anew_makes_no_negative_rate() -> None:
    """Counters that are lower than before are another process's."""
    found = History().added(metrics(queries=5000), 1.0).added(metrics(queries=5100), 3.0)
    found = found.added(metrics(queries=7), 5.0).added(metrics(queries=17), 7.0)
    assert found.rate("dns.queries") == pytest.approx((100 + 10) / 4)


def test_points_that_are_over_do_not_change() -> None:
    """A curve moves on by whole steps: what is drawn once stays."""
    found = history(seconds=100)
    before = found.curve(10, 2, rate_of("dns.queries"))
    later = found
    for second in range(100, 104):
        later = later.added(metrics(queries=10_000 + second), 1000.0 + second)
    after = later.curve(10, 2, rate_of("dns.queries"))
    assert after[:9] == before[1:]


def test_a_gap_is_a_gap() -> None:
    """While nobody was asked, nothing is known."""
    found = history(seconds=20)
    found = found.added(metrics(queries=9000), 1060.0)
    found = found.added(metrics(queries=9010), 1062.0).added(metrics(queries=9020), 1064.0)
    points = found.curve(30, 1, rate_of("dns.queries"))
    assert None in points
    assert points[-1] is not None


def test_gauges_and_quantiles_have_curves() -> None:
    """The highest value, and the quantile, of each step."""
    found = history(seconds=40)
    assert set(found.curve(5, 1, gauge_of("consumer.lag_seconds"))) == {0.2}
    assert all(value is not None for value in found.curve(5, 1, quantile_of("dns.latency_seconds", 0.5)))
    assert found.gauge("view.size_bytes") == 412 << 20


def test_an_empty_histogram_has_no_quantile() -> None:
    """Nothing was counted."""
    assert Counts((0.1, float("inf")), (0.0, 0.0)).quantile(0.5) is None
    assert Counts((0.1, float("inf")), (0.0, 3.0)).quantile(0.5) == 0.1


def test_axes_follow_with_hysteresis() -> None:
    """Up at once, down only when the curve has become much lower."""
    scale = Scale()
    assert scale.follow([3.0, None, 7.0]) == 10.0
    assert scale.follow([12.0]) == 20.0
    assert scale.follow([9.0]) == 20.0
    assert scale.follow([2.0]) == 2.0


@given(st.floats(min_value=1e-6, max_value=1e12))
def test_the_end_of_an_axis_is_round_and_high_enough(value: float) -> None:
    """Never below the value, never more than 2.5 times it."""
    assert value <= ceiling(value) * (1 + 1e-9)
    assert ceiling(value) <= value * 2.5000001


def test_sparklines_show_what_there_is_and_leave_out_what_is_not_known() -> None:
    """One character a point."""
    assert sparkline([None, 0, 1, 4, 8], 8) == " ▁▁▄█"


def test_plots_have_the_size_they_are_asked_for() -> None:
    """With braille, with blocks, filled and not."""
    curve = Curve(tuple(float(value % 17) for value in range(200)), "accent")
    for options in ({}, {"filled": True}, {"plain": True}):
        lines = plot([curve], 30, 6, 20.0, **options)
        assert [sum(len(span.text) for span in line) for line in lines] == [30] * 6
    full = plot([Curve((20.0,) * 60, "accent")], 30, 2, 20.0, filled=True)
    assert {char for line in full for span in line for char in span.text} == {"⣿"}


def test_layers_are_drawn_above_each_other() -> None:
    """The last is the sum of all."""
    assert stacked([(1.0, None), (2.0, None), (3.0, 1.0)])[-1] == (6.0, 1.0)


@given(st.floats(0, 1), st.integers(1, 40), st.booleans())
def test_bars_have_the_width_they_are_asked_for(share: float, width: int, plain: bool) -> None:
    """Full, empty or in between."""
    assert len(bar(share, width, plain=plain)) == width


def test_the_speed_of_a_partition_is_that_of_the_last_seconds() -> None:
    """Of what it grew; unknown until it was seen twice, after a silence, and while a rebuild begins anew."""

    def at(position: int) -> Consumer:
        return fake.consumer(partitions=[fake.partition(0, position=position)])

    speeds = Speeds().added(at(1_000), 100.0)
    assert speeds.of("dns", 0) is None
    for second in range(1, 20):
        speeds = speeds.added(at(1_000 + 50 * second), 100.0 + second)
    assert speeds.of("dns", 0) == 50.0
    assert len(speeds.readings) < 10
    assert speeds.of("dns", 7) is None
    assert speeds.added(at(500), 120.0).of("dns", 0) is None
    assert speeds.added(at(9_000), 300.0).of("dns", 0) is None
