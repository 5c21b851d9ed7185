"""Renders the registry in the text format of Prometheus, version 0.0.4, some lines at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import accumulate

from streamdns.metrics.catalogue import prometheus_name
from streamdns.metrics.registry import Histogram, Registry

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_LINES_A_PAGE = 100


def render(registry: Registry) -> str:
    """Return the text of all metrics that have a series, each with its HELP and TYPE lines."""
    return "".join(pages(registry))


def pages(registry: Registry) -> Iterator[str]:
    """Yield the same text some lines at a time, so that its server can give way in between."""
    lines: list[str] = []
    for metric, series in registry.collect():
        if not series:
            continue
        name = prometheus_name(metric)
        lines.append(f"# HELP {name} {_help(metric.description)}\n")
        lines.append(f"# TYPE {name} {metric.kind}\n")
        for values, value in series:
            labels = list(zip(metric.labels, values, strict=True))
            if isinstance(value, Histogram):
                lines += _histogram(name, labels, value)
            else:
                lines.append(f"{name}{_labels(labels)} {_number(value)}\n")
            if len(lines) >= _LINES_A_PAGE:
                yield "".join(lines)
                lines.clear()
    yield "".join(lines)


def _histogram(name: str, labels: list[tuple[str, str]], histogram: Histogram) -> list[str]:
    cumulative = list(accumulate(histogram.counts))
    bounds = [_number(bound) for bound in histogram.bounds] + ["+Inf"]
    lines = [
        f"{name}_bucket{_labels([*labels, ('le', bound)])} {count}\n"
        for bound, count in zip(bounds, cumulative, strict=True)
    ]
    return [*lines, f"{name}_sum{_labels(labels)} {_number(histogram.sum)}\n",
            f"{name}_count{_labels(labels)} {cumulative[-1]}\n"]


def _labels(labels: list[tuple[str, str]]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _help(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _number(value: float) -> str:
    if isinstance(value, int):
        return str(int(value))
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return "NaN" if math.isnan(value) else repr(value)
