"""The routes for metrics: as JSON, and in the text format of Prometheus."""

from __future__ import annotations

from streamdns.admin.http.route import Call, Reply, Route
from streamdns.admin.node import Node
from streamdns.admin.schema.state import Metrics, MetricSeries, Series
from streamdns.metrics import prometheus
from streamdns.metrics.catalogue import Metric
from streamdns.metrics.registry import Histogram, Registry
from streamdns.runtime.turns import Stint, take_turn


def _series(metric: Metric, values: tuple[str, ...], value: float | Histogram) -> Series:
    labels = dict(zip(metric.labels, values, strict=True))
    if not isinstance(value, Histogram):
        return Series(labels=labels, value=value)
    buckets: dict[str, int] = {}
    seen = 0
    for bound, count in zip([f"{each:g}" for each in value.bounds] + ["+Inf"], value.counts, strict=True):
        seen += count
        buckets[bound] = seen
    return Series(labels=labels, count=seen, sum=value.sum, buckets=buckets)


def routes(node: Node) -> tuple[Route, ...]:
    """Return the row of the metrics as JSON."""

    def metrics(_: Call) -> Metrics:
        """Return every metric that has a value."""
        found = []
        stint = Stint()
        for metric, series in node.registry.collect():
            found.append(MetricSeries(
                name=metric.name, kind=metric.kind, unit=metric.unit, description=metric.description,
                series=[_series(metric, values, value) for values, value in series],
            ))
            stint()
        return Metrics(time=int(node.now_s() * 1000), metrics=found)

    return (Route("GET", "/v1/metrics", metrics, "Every metric, as JSON", Metrics, unscoped=True),)


def text_routes(registry: Registry) -> tuple[Route, ...]:
    """Return the row of /metrics, which needs the role viewer here; DNS_METRICS_ADDRESS serves it without a token."""

    def text(call: Call) -> Reply:
        pages = []
        for page in prometheus.pages(registry):
            pages.append(page)
            take_turn()
        return Reply("".join(pages).encode(), content_type=prometheus.CONTENT_TYPE)

    return (Route("GET", "/metrics", text, "Every metric in Prometheus's text format", str, unscoped=True),)
