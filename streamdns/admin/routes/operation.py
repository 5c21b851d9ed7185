"""What operators look at and do beside the data: settings in effect, metrics as JSON, a rebuild."""

from __future__ import annotations

from streamdns.admin.http.route import Call, Role, Route
from streamdns.admin.node import Node
from streamdns.admin.schema.state import Metrics, MetricSeries, RebuildAsked, Series, Setting, SettingsList
from streamdns.errors import ApiError, ViewError
from streamdns.metrics.catalogue import Metric
from streamdns.metrics.registry import Histogram
from streamdns.runtime.turns import Stint
from streamdns.settings.table import SETTINGS
from streamdns.view import rebuild_request


class Operating:
    """The handlers."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def settings(self, _: Call) -> SettingsList:
        """Every setting in effect, secrets masked."""
        settings = self._node.settings()
        values = settings.masked()
        return SettingsList(settings=[
            Setting(
                name=row.name, value=values[row.name], given=row.name in settings.given, default=row.default,
                description=row.description, since=row.since, secret=row.secret, reload=row.reload,
            )
            for row in SETTINGS
        ])

    def metrics(self, _: Call) -> Metrics:
        """Every metric that has a value."""
        found = []
        stint = Stint()
        for metric, series in self._node.registry.collect():
            found.append(MetricSeries(
                name=metric.name, kind=metric.kind, unit=metric.unit, description=metric.description,
                series=[_series(metric, values, value) for values, value in series],
            ))
            stint()
        return Metrics(time=int(self._node.now_s() * 1000), metrics=found)

    def rebuild(self, call: Call) -> RebuildAsked:
        """Leave a request for a rebuild, or find the one that waits already; raises ApiError."""
        view = self._node.view
        try:
            missing = view.room().missing(view.path)
            if missing:
                raise ApiError(507, "no_room", missing)
            asked = rebuild_request.ask(view.path, by=call.principal.name, now_ms=int(self._node.now_s() * 1000))
        except ViewError as err:
            raise ApiError(507, "no_room", str(err)) from err
        return RebuildAsked(id=asked.id, by=asked.by, time=asked.time_ms)


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
    """What is served of these."""
    operating = Operating(node)
    return (
        Route("GET", "/v1/settings", operating.settings, "Settings in effect, secrets masked", SettingsList,
              role=Role.OPERATOR, unscoped=True),
        Route("GET", "/v1/metrics", operating.metrics, "Every metric, as JSON", Metrics, unscoped=True),
        Route("POST", "/v1/rebuild", operating.rebuild, "Make the view anew from the log, beside the one that serves",
              RebuildAsked, role=Role.ADMIN, unscoped=True),
    )
