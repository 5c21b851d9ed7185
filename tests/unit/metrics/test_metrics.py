"""Metrics: the catalogue's conventions, the registry, and the text that Prometheus reads."""

from __future__ import annotations

import os
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamdns.metrics import process
from streamdns.metrics.catalogue import LABEL_VALUES, MAX_LABEL_VALUES, METRICS, Metric, prometheus_name
from streamdns.metrics.prometheus import render
from streamdns.metrics.registry import Registry
from tests.harness.metrics_formats import every_metric, samples

COMPONENTS = {"dns", "consumer", "propagation", "resolver", "view", "process", "metrics", "admin", "nodes",
              "workers"}

@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_the_conventions_of_the_catalogue(metric: Metric) -> None:
    component, _, noun = metric.name.partition(".")
    assert component in COMPONENTS
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", noun)
    assert metric.description.endswith(".")
    if metric.unit:
        assert metric.name.endswith(metric.unit) or metric.name.startswith(f"dns.{metric.unit}_")
    assert (metric.kind == "histogram") == bool(metric.buckets)
    assert list(metric.buckets) == sorted(set(metric.buckets))
    # Names of queries and addresses of clients have no place in metrics.
    assert not set(metric.labels) & {"name", "qname", "client", "address", "zone", "le"}


def test_names_are_unique() -> None:
    names = {metric.name for metric in METRICS}
    assert len(names) == len({prometheus_name(metric) for metric in METRICS}) == len(METRICS)


def test_a_counter_is_one_object_for_one_set_of_labels() -> None:
    registry = Registry()
    first = registry.counter("dns.queries", transport="udp", qtype="A", rcode="NOERROR")
    first.add()
    first.add(4)
    again = registry.counter("dns.queries", rcode="NOERROR", qtype="A", transport="udp")
    assert again is first
    assert first.value == 5
    assert samples(render(registry))['streamdns_dns_queries_total{transport="udp",qtype="A",rcode="NOERROR"}'] == 5


def test_a_total_is_the_sum_of_all_labels() -> None:
    registry = Registry()
    assert registry.total("dns.queries") == 0
    for rcode, count in (("NOERROR", 5), ("NXDOMAIN", 2)):
        registry.counter("dns.queries", transport="udp", qtype="A", rcode=rcode).add(count)
    assert registry.total("dns.queries") == 7


def test_gauges_show_when_they_are_set() -> None:
    registry = Registry()
    assert "streamdns_view_zones" not in render(registry)
    registry.gauge("view.zones").set(7)
    registry.gauge("dns.tcp_connections").add()
    registry.gauge("dns.tcp_connections").add(-1)
    found = samples(render(registry))
    assert (found["streamdns_view_zones"], found["streamdns_dns_tcp_connections"]) == (7, 0)


def test_callbacks_are_read_each_time_and_may_fail() -> None:
    registry = Registry()
    values = [1.5, 2.5]
    registry.callback("view.nodes", lambda: values.pop(0))
    registry.callback("consumer.lag_seconds", lambda: float("inf"))
    assert samples(render(registry))["streamdns_view_nodes"] == 1.5
    assert samples(render(registry))["streamdns_view_nodes"] == 2.5
    found = samples(render(registry))
    assert "streamdns_view_nodes" not in found
    assert found["streamdns_consumer_lag_seconds"] == float("inf")


@pytest.mark.parametrize(("call", "error"), [
    (lambda r: r.counter("dns.nothing"), KeyError),
    (lambda r: r.counter("view.zones"), ValueError),
    (lambda r: r.gauge("dns.exceptions"), ValueError),
    (lambda r: r.histogram("dns.exceptions"), ValueError),
    (lambda r: r.counter("dns.truncated"), ValueError),
    (lambda r: r.counter("dns.truncated", transport="udp", zone="x"), ValueError),
    (lambda r: r.counter("dns.truncated", transports="udp"), ValueError),
    (lambda r: r.callback("dns.latency_seconds", lambda: 0.0, transport="udp"), ValueError),
    (lambda r: r.histogram("consumer.apply_seconds").add([1], 0.1), ValueError),
])
def test_faults_of_the_caller(call: object, error: type[Exception]) -> None:
    with pytest.raises(error):
        call(Registry())  # type: ignore[operator]


def test_unknown_label_values_are_other() -> None:
    registry = Registry()
    for number in range(1000):
        registry.counter("dns.queries", transport="udp", qtype=f"TYPE{number}", rcode="NOERROR").add()
    found = samples(render(registry))
    assert found['streamdns_dns_queries_total{transport="udp",qtype="other",rcode="NOERROR"}'] == 1000


def test_free_label_values_are_limited() -> None:
    assert "reason" not in LABEL_VALUES
    registry = Registry()
    for number in range(MAX_LABEL_VALUES + 10):
        registry.counter("dns.dropped", reason=f"r{number}").add()
        registry.counter("dns.dropped", reason="r0").add()
    dropped = {key: value for key, value in samples(render(registry)).items() if "dns_dropped" in key}
    assert len(dropped) == MAX_LABEL_VALUES + 1
    assert dropped['streamdns_dns_dropped_total{reason="other"}'] == 10
    assert dropped['streamdns_dns_dropped_total{reason="r0"}'] == MAX_LABEL_VALUES + 11


@given(st.lists(st.floats(0, 3), max_size=30))
def test_a_batch_added_at_once_equals_single_observations(values: list[float]) -> None:
    registry, other = Registry(), Registry()
    one_by_one = registry.histogram("consumer.apply_seconds")
    for value in values:
        one_by_one.observe(value)
    at_once = other.histogram("consumer.apply_seconds")
    at_once.add(one_by_one.counts, sum(values))
    assert at_once.counts == one_by_one.counts
    found = samples(render(other))
    assert found["streamdns_consumer_apply_seconds_count"] == len(values)
    assert found["streamdns_consumer_apply_seconds_sum"] == pytest.approx(sum(values))
    for bound in at_once.bounds:
        expected = sum(value <= bound for value in values)
        assert found[f'streamdns_consumer_apply_seconds_bucket{{le="{bound!r}"}}'] == expected
    assert found['streamdns_consumer_apply_seconds_bucket{le="+Inf"}'] == len(values)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=10))
def test_label_values_are_escaped(value: str) -> None:
    registry = Registry()
    registry.counter("dns.dropped", reason=value).add(3)
    line = next(line for line in render(registry).split("\n") if line.startswith("streamdns_dns_dropped_total{"))
    quoted = line.removeprefix('streamdns_dns_dropped_total{reason="').removesuffix('"} 3')
    assert re.sub(r"\\(.)", lambda match: {"n": "\n"}.get(match[1], match[1]), quoted) == value


def test_counters_of_few_label_values_are_there_from_the_start() -> None:
    found = samples(render(Registry()))
    assert found['streamdns_dns_truncated_total{transport="tcp"}'] == 0
    assert found["streamdns_dns_exceptions_total"] == 0


def test_every_metric_renders() -> None:
    text = render(every_metric())
    assert samples(text)
    for metric in METRICS:
        assert f"# TYPE {prometheus_name(metric)} {metric.kind}\n" in text


def test_metrics_of_this_process() -> None:
    registry = Registry()
    process.register(registry, started_s=time.monotonic() - 10)
    before = samples(render(registry))
    reader, writer = os.pipe()
    after = samples(render(registry))
    os.close(reader)
    os.close(writer)
    assert after["streamdns_process_descriptors"] == before["streamdns_process_descriptors"] + 2
    assert after["streamdns_process_uptime_seconds"] >= 10
    assert after["streamdns_process_cpu_seconds_total"] > 0
    assert 1_000_000 < after["streamdns_process_resident_bytes"] < 10_000_000_000
