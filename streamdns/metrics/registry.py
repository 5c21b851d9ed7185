"""The registry: the counters, gauges and histograms of the catalogue as plain numbers.

Made for one writer of each instrument: look an instrument up once, add to it once a batch.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from streamdns.metrics.catalogue import LABEL_VALUES, MAX_LABEL_VALUES, METRICS, OTHER, Kind, Metric

# Series of so few combinations of label values are there from the start, with 0, as Prometheus advises.
_FROM_THE_START = 4


class Counter:
    """A number that only grows."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value: float = 0

    def add(self, n: float = 1) -> None:
        self.value += n


class Gauge:
    """A number that goes up and down; None until it was first set."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value: float | None = None

    def set(self, value: float) -> None:
        self.value = value

    def add(self, n: float = 1) -> None:
        self.value = (self.value or 0) + n


class Histogram:
    """A histogram by bucket: counts[i] holds values <= bounds[i], and the last one everything above."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum: float = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def add(self, counts: Sequence[int], total: float) -> None:
        """Add a batch at once: one count for each bucket (not cumulative), and the sum of the values."""
        if len(counts) != len(self.counts):
            raise ValueError(f"{len(counts)} counts for {len(self.counts)} buckets")
        for index, count in enumerate(counts):
            if count:
                self.counts[index] += count
        self.sum += total


Instrument = Counter | Gauge | Histogram
_I = TypeVar("_I", Counter, Gauge, Histogram)


class Registry:
    """Holds the instruments by metric and label values.

    An unknown metric or label name, or a metric of another kind, is a KeyError or ValueError: a fault of the caller.
    """

    def __init__(self, metrics: Sequence[Metric] = METRICS) -> None:
        self._metrics = {metric.name: metric for metric in metrics}
        self._series: dict[str, dict[tuple[str, ...], Instrument]] = {metric.name: {} for metric in metrics}
        self._callbacks: dict[str, dict[tuple[str, ...], Callable[[], float]]] = {}
        # One set for each label of each metric: the only place where cardinality is limited.
        self._seen: dict[tuple[str, str], set[str]] = {}
        for metric in metrics:
            self._create_known(metric)

    def counter(self, name: str, **labels: str) -> Counter:
        return self._instrument(name, "counter", labels, Counter)

    def gauge(self, name: str, **labels: str) -> Gauge:
        return self._instrument(name, "gauge", labels, Gauge)

    def histogram(self, name: str, **labels: str) -> Histogram:
        bounds = self._metric(name, "histogram").buckets
        return self._instrument(name, "histogram", labels, lambda: Histogram(bounds))

    def callback(self, name: str, read: Callable[[], float], **labels: str) -> None:
        """Read a gauge or counter from a function each time it is collected; replaces an earlier function."""
        metric = self._metrics[name]
        if metric.kind == "histogram":
            raise ValueError(f"{name} is a histogram")
        self._callbacks.setdefault(name, {})[self._values(metric, labels)] = read

    def collect(self) -> Iterator[tuple[Metric, list[tuple[tuple[str, ...], float | Histogram]]]]:
        """Yield each metric with its series: label values in the order of the metric's labels, and a number or
        histogram.

        A gauge that was never set and a callback that raises have no series.
        """
        for name, metric in self._metrics.items():
            if not self._series[name] and name not in self._callbacks:
                yield metric, []
                continue
            found: dict[tuple[str, ...], float | Histogram] = {}
            for values, instrument in list(self._series[name].items()):
                value = instrument if isinstance(instrument, Histogram) else instrument.value
                if value is not None:
                    found[values] = value
            for values, read in list(self._callbacks.get(name, {}).items()):
                found.pop(values, None)
                try:
                    found[values] = read()
                except Exception:  # noqa: BLE001, S112 - what cannot be read now is left out, not the whole page
                    continue
            yield metric, sorted(found.items(), key=lambda series: series[0])

    def total(self, name: str) -> float:
        """Return the sum of all series of a counter, but for those that are read from a function."""
        return sum(each.value for each in self._series[name].values() if isinstance(each, Counter))

    def _create_known(self, metric: Metric) -> None:
        if metric.kind == "gauge" or any(label not in LABEL_VALUES for label in metric.labels):
            return
        choices = [sorted(LABEL_VALUES[label]) for label in metric.labels]
        product = list(itertools.islice(itertools.product(*choices), _FROM_THE_START + 1))
        if len(product) <= _FROM_THE_START:
            for values in product:
                self._series[metric.name][values] = (
                    Counter() if metric.kind == "counter" else Histogram(metric.buckets)
                )

    def _metric(self, name: str, kind: Kind) -> Metric:
        metric = self._metrics[name]
        if metric.kind != kind:
            raise ValueError(f"{name} is a {metric.kind}, not a {kind}")
        return metric

    def _instrument(self, name: str, kind: Kind, labels: dict[str, str], make: Callable[[], _I]) -> _I:
        values = self._values(self._metric(name, kind), labels)
        series = self._series[name]
        found = series.get(values)
        if found is None:
            found = series[values] = make()
        return found  # type: ignore[return-value] # the kind of the metric says which class it is

    def _values(self, metric: Metric, labels: dict[str, str]) -> tuple[str, ...]:
        if labels.keys() != set(metric.labels):
            raise ValueError(f"{metric.name} has the labels {metric.labels}, not {tuple(labels)}")
        return tuple(self._value(metric, label, labels[label]) for label in metric.labels)

    def _value(self, metric: Metric, label: str, value: str) -> str:
        known = LABEL_VALUES.get(label)
        if known is not None:
            return value if value in known else OTHER
        seen = self._seen.setdefault((metric.name, label), set())
        if value not in seen:
            if len(seen) >= MAX_LABEL_VALUES:
                return OTHER
            seen.add(value)
        return value
