"""Makes rates, quantiles and curves of the cumulative figures of /v1/metrics: an immutable history of ten minutes.

Pure: moments are given. A step is a bin of time at fixed borders, so a curve does not change behind the last point.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from streamdns.admin.schema.state import Metrics, Series

STEP_S: Final = 2.0
#: Ten minutes.
_MOST_BINS: Final = 300
#: What is told as a rate is the mean of so long.
RATE_S: Final = 6.0
#: What is told as a quantile is that of so long.
QUANTILE_S: Final = 60.0

#: A series: the name of its metric, and the values of its labels.
Key = tuple[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Counts:
    """A histogram: upper bounds of its buckets in ascending order, the last one without end, and what each holds."""

    bounds: tuple[float, ...]
    counts: tuple[float, ...]

    @property
    def total(self) -> float:
        """All that was counted."""
        return sum(self.counts)

    def plus(self, other: Counts) -> Counts:
        """Both together; those of other bounds cannot be added and are left out."""
        if self.bounds != other.bounds:
            return self
        return Counts(self.bounds, tuple(map(sum, zip(self.counts, other.counts, strict=True))))

    def minus(self, other: Counts | None) -> Counts:
        """What came since; all of it where it began anew."""
        if other is None or self.bounds != other.bounds:
            return self
        since = tuple(now - then for now, then in zip(self.counts, other.counts, strict=True))
        return self if min(since, default=0) < 0 else Counts(self.bounds, since)

    def quantile(self, share: float) -> float | None:
        """The value below which a share of them is, interpolated in its bucket; None where there are none."""
        wanted, seen, lower = share * self.total, 0.0, 0.0
        if not self.total:
            return None
        for bound, count in zip(self.bounds, self.counts, strict=True):
            if count and seen + count >= wanted:
                if bound == float("inf"):
                    return lower
                return lower + (bound - lower) * (wanted - seen) / count
            seen += count
            lower = lower if bound == float("inf") else bound
        return lower


@dataclass(frozen=True, slots=True)
class Bin:
    """What happened in one step: how much counters and histograms grew, and what gauges were last."""

    number: int
    seconds: float
    counters: Mapping[Key, float]
    gauges: Mapping[Key, float]
    histograms: Mapping[Key, Counts]


@dataclass(frozen=True, slots=True)
class Totals:
    """The figures as they were read last."""

    at_s: float
    counters: Mapping[Key, float]
    gauges: Mapping[Key, float]
    histograms: Mapping[Key, Counts]


@dataclass(frozen=True, slots=True)
class History:
    """Steps from old to new, and the last totals. One that has just begun holds nothing."""

    bins: tuple[Bin, ...] = ()
    totals: Totals | None = None

    def added(self, metrics: Metrics, at_s: float) -> History:
        """This history with one more reading, made at `at_s` (seconds that never go back)."""
        now = _totals(metrics, at_s)
        before = self.totals
        if before is None or at_s <= before.at_s or at_s - before.at_s > _MOST_BINS * STEP_S:
            return History((), now)
        grown = {key: value - before.counters.get(key, 0.0) for key, value in now.counters.items()}
        if any(value < 0 for value in grown.values()):
            # The process began anew: what it had counted before is over.
            return replace(self, totals=now)
        number = int(at_s // STEP_S)
        bin_ = Bin(
            number,
            at_s - before.at_s,
            {key: value for key, value in grown.items() if value},
            now.gauges,
            {
                key: since
                for key, value in now.histograms.items()
                if (since := value.minus(before.histograms.get(key))).total
            },
        )
        bins = self.bins
        if bins and bins[-1].number == number:
            bins, bin_ = bins[:-1], _merged(bins[-1], bin_)
        return History((*bins[-_MOST_BINS + 1 :], bin_), now)

    # -- figures of now

    def rate(self, *names: str, where: Callable[[Key], bool] | None = None) -> float | None:
        """How much the counters of these names grow in a second; None where that is not known yet."""
        bins = self._last(RATE_S)
        seconds = sum(each.seconds for each in bins)
        if not seconds:
            return None
        return sum(_sum(each, names, where) for each in bins) / seconds

    def growth(self, name: str, *, window_s: float = QUANTILE_S) -> dict[tuple[str, ...], float]:
        """How much each series of a counter grew within the window."""
        found: dict[tuple[str, ...], float] = {}
        for each in self._last(window_s):
            for key, value in each.counters.items():
                if key[0] == name:
                    found[key[1]] = found.get(key[1], 0.0) + value
        return found

    def quantiles(self, name: str, *shares: float, window_s: float = QUANTILE_S) -> list[float | None]:
        """Quantiles of what the histograms of a name counted within the window."""
        counts = _together(itertools.chain.from_iterable(_histograms(each, name) for each in self._last(window_s)))
        return [counts.quantile(share) if counts else None for share in shares]

    def gauge(self, name: str) -> float | None:
        """The sum of a gauge's series as of the last reading."""
        if self.totals is None:
            return None
        values = [value for key, value in self.totals.gauges.items() if key[0] == name]
        return sum(values) if values else None

    # -- curves

    def curve(
        self, points: int, step: int, figure: Callable[[Sequence[Bin]], float | None]
    ) -> tuple[float | None, ...]:
        """The last points of a figure, each of `step` bins; the one that is not over yet is left out."""
        if not self.bins:
            return (None,) * points
        end = self.bins[-1].number // step
        grouped: dict[int, list[Bin]] = {}
        for each in self.bins:
            grouped.setdefault(each.number // step, []).append(each)
        return tuple(figure(grouped[number]) if number in grouped else None for number in range(end - points, end))

    def _last(self, window_s: float) -> tuple[Bin, ...]:
        if not self.bins:
            return ()
        first = self.bins[-1].number - int(window_s // STEP_S)
        at = len(self.bins)
        while at and self.bins[at - 1].number > first:
            at -= 1
        return self.bins[at:]


def rate_of(*names: str, where: Callable[[Key], bool] | None = None) -> Callable[[Sequence[Bin]], float | None]:
    """For History.curve: how much counters grow in a second."""

    def figure(bins: Sequence[Bin]) -> float | None:
        seconds = sum(each.seconds for each in bins)
        return sum(_sum(each, names, where) for each in bins) / seconds if seconds else None

    return figure


def gauge_of(name: str, where: Callable[[Key], bool] | None = None) -> Callable[[Sequence[Bin]], float | None]:
    """For History.curve: the highest that a gauge was."""

    def figure(bins: Sequence[Bin]) -> float | None:
        values = [
            sum(found)
            for each in bins
            if (
                found := [
                    value for key, value in each.gauges.items() if key[0] == name and (where is None or where(key))
                ]
            )
        ]
        return max(values, default=None)

    return figure


def quantile_of(
    name: str, share: float, where: Callable[[Key], bool] | None = None
) -> Callable[[Sequence[Bin]], float | None]:
    """For History.curve: a quantile of what histograms counted."""

    def figure(bins: Sequence[Bin]) -> float | None:
        counts = _together(itertools.chain.from_iterable(_histograms(each, name, where) for each in bins))
        return counts.quantile(share) if counts else None

    return figure


def label_values(metric_labels: Mapping[str, str]) -> tuple[str, ...]:
    """The part of a key that a series' labels are."""
    return tuple(metric_labels.values())


def counts_of(series: Series) -> Counts:
    """The histogram of a series, whose buckets are cumulative and named by their upper bound."""
    bounds, counts, below = [], [], 0
    for text, value in (series.buckets or {}).items():
        try:
            bounds.append(float(text))
        except ValueError:
            continue
        counts.append(float(value - below))
        below = value
    return Counts(tuple(bounds), tuple(counts))


def _totals(metrics: Metrics, at_s: float) -> Totals:
    counters: dict[Key, float] = {}
    gauges: dict[Key, float] = {}
    histograms: dict[Key, Counts] = {}
    for metric in metrics.metrics:
        for series in metric.series:
            key = metric.name, label_values(series.labels)
            if series.buckets is not None:
                histograms[key] = counts_of(series)
                counters[key] = float(series.count or 0)
            elif series.value is not None:
                (counters if metric.kind == "counter" else gauges)[key] = series.value
    return Totals(at_s, counters, gauges, histograms)


def _merged(first: Bin, then: Bin) -> Bin:
    counters = dict(first.counters)
    for key, value in then.counters.items():
        counters[key] = counters.get(key, 0.0) + value
    histograms = dict(first.histograms)
    for key, counts in then.histograms.items():
        histograms[key] = histograms[key].plus(counts) if key in histograms else counts
    gauges = {
        key: max(value, first.gauges.get(key, value)) if key[0].endswith("lag_seconds") else value
        for key, value in then.gauges.items()
    }
    return Bin(first.number, first.seconds + then.seconds, counters, gauges, histograms)


def _sum(bin_: Bin, names: Sequence[str], where: Callable[[Key], bool] | None) -> float:
    return sum(value for key, value in bin_.counters.items() if key[0] in names and (where is None or where(key)))


def _histograms(bin_: Bin, name: str, where: Callable[[Key], bool] | None = None) -> Iterator[Counts]:
    return (value for key, value in bin_.histograms.items() if key[0] == name and (where is None or where(key)))


def _together(histograms: Iterable[Counts]) -> Counts | None:
    whole: Counts | None = None
    for each in histograms:
        whole = each if whole is None else whole.plus(each)
    return whole
