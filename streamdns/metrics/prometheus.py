"""Metrics in the text format of Prometheus, version 0.0.4."""

from __future__ import annotations

import math
from itertools import accumulate

from streamdns.metrics.catalogue import prometheus_name
from streamdns.metrics.registry import Histogram, Registry

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def render(registry: Registry) -> str:
    """All metrics that have a series, each with its HELP and TYPE lines."""
    lines: list[str] = []
    for metric, series in registry.collect():
        if not series:
            continue
        name = prometheus_name(metric)
        lines.append(f"# HELP {name} {_help(metric.description)}")
        lines.append(f"# TYPE {name} {metric.kind}")
        for values, value in series:
            labels = list(zip(metric.labels, values, strict=True))
            if isinstance(value, Histogram):
                lines += _histogram(name, labels, value)
            else:
                lines.append(f"{name}{_labels(labels)} {_number(value)}")
    return "\n".join(lines) + "\n"


def _histogram(name: str, labels: list[tuple[str, str]], histogram: Histogram) -> list[str]:
    cumulative = list(accumulate(histogram.counts))
    bounds = [_number(bound) for bound in histogram.bounds] + ["+Inf"]
    lines = [
        f"{name}_bucket{_labels([*labels, ('le', bound)])} {count}"
        for bound, count in zip(bounds, cumulative, strict=True)
    ]
    return [*lines, f"{name}_sum{_labels(labels)} {_number(histogram.sum)}",
            f"{name}_count{_labels(labels)} {cumulative[-1]}"]


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
