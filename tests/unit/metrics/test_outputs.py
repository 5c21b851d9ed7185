"""The outputs: what each sends, as strict readers of its format take it."""

from __future__ import annotations

import json
import os
import select
import time

import gevent
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamdns.addresses import OUTPUTS, parse_output
from streamdns.metrics.catalogue import METRICS
from streamdns.metrics.flush import Count, Figure, Flush, Level, Summary
from streamdns.metrics.outputs import Target, Unwanted, make
from streamdns.metrics.outputs.datagrams import MAX_OCTETS, Datagrams, packed
from streamdns.metrics.outputs.influx import lines as influx_lines
from streamdns.metrics.outputs.statsd import Statsd
from streamdns.metrics.outputs.stdout import Stdout
from streamdns.metrics.outputs.warp10 import lines as warp10_lines
from tests.harness.metrics_formats import parsed_gts, parsed_influx, parsed_statsd
from tests.unit.metrics.examples import COUNTER, FIGURES, FLUSH, GAUGE, TIMES

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
numbers = st.one_of(st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False))
figures = st.lists(
    st.one_of(
        st.builds(Count, st.just(COUNTER), st.tuples(texts), numbers, numbers),
        st.builds(Level, st.just(GAUGE), st.just(()), numbers),
        st.builds(Summary, st.just(TIMES), st.tuples(texts), st.tuples(*[st.integers(0, 10**9)] * 4), numbers),
    ),
    max_size=60,
)


def statsd(tags: str = "plain", *, prefix: str = "streamdns", instance: str = "ns1") -> Statsd:
    return Statsd(Datagrams("127.0.0.1", 9), prefix=prefix, tags=tags, instance=instance)


def test_statsd_gets_deltas_gauges_and_timers() -> None:
    found = parsed_statsd(statsd().datagrams(FLUSH))
    assert found[0] == ("streamdns.dns.truncated.udp", 3, "c", 1, "")
    assert found[1] == ("streamdns.view.zones", 1.5e-7, "g", 1, "")
    timings = found[2:]
    assert {(name, kind) for name, _, kind, _, _ in timings} == {("streamdns.dns.latency_seconds.udp", "ms")}
    assert sum(1 / rate for _, _, _, rate, _ in timings) == pytest.approx(40)
    values = [value for _, value, _, _, _ in timings]
    assert values == sorted(values)
    assert sum(value <= 1 for value in values) == len(values) / 4
    assert max(values) <= 10


def test_few_timings_are_sent_each_on_its_own() -> None:
    flush = Flush(0, 1, (Summary(TIMES, ("udp",), (1, 0, 1, 0), 0.05),))
    found = parsed_statsd(statsd().datagrams(flush))
    assert [(rate, value <= 1) for _, value, _, rate, _ in found] == [(1, True), (1, False)]


def test_a_negative_gauge_is_set_and_not_subtracted() -> None:
    found = parsed_statsd(statsd().datagrams(Flush(0, 1, (Level(GAUGE, (), -5),))))
    assert [(value, kind) for _, value, kind, _, _ in found] == [(0, "g"), (-5, "g")]


def test_tags_of_statsd() -> None:
    dog = parsed_statsd(statsd("dogstatsd").datagrams(FLUSH))
    assert dog[0] == ("streamdns.dns.truncated", 3, "c", 1, "instance:ns1,transport:udp")
    influx = parsed_statsd(statsd("influx", instance="ns 1").datagrams(FLUSH))
    assert influx[0][0] == "streamdns.dns.truncated,instance=ns_1,transport=udp"
    assert parsed_statsd(statsd(prefix="").datagrams(FLUSH))[0][0] == "dns.truncated.udp"
    assert parsed_statsd(statsd(prefix="a.b.").datagrams(FLUSH))[0][0] == "a.b.dns.truncated.udp"


@given(figures, st.sampled_from(["plain", "dogstatsd", "influx"]), texts)
def test_statsd_of_anything_is_of_its_format(figures: list[Figure], tags: str, instance: str) -> None:
    found = parsed_statsd(statsd(tags, instance=instance).datagrams(Flush(0, 1, tuple(figures))))
    counters = sum(isinstance(figure, Count) and figure.delta != 0 for figure in figures)
    assert sum(kind == "c" for _, _, kind, _, _ in found) == counters


def test_influx_lines() -> None:
    found = parsed_influx(influx_lines(FLUSH, "ns, 1"))
    at = 1_700_000_000_123_000_000
    tags = {"instance": "ns, 1", "transport": "udp"}
    assert found[0] == ("streamdns_dns_truncated", tags, {"delta": 3, "total": 10}, at)
    assert found[2] == ("streamdns_view_zones", {"instance": "ns, 1"}, {"value": 1.5e-7}, at)
    name, _, fields, _ = found[3]
    assert (name, fields.pop("count"), fields.pop("sum")) == ("streamdns_dns_latency_seconds", 40, 0.2)
    assert fields.keys() == {"p50", "p90", "p99"}
    assert found[4][2] == {"count": 0, "sum": 0}


@given(figures, texts)
def test_influx_of_anything_is_of_its_format(figures: list[Figure], instance: str) -> None:
    found = parsed_influx(influx_lines(Flush(1.0, 1, tuple(figures)), instance))
    assert len(found) == len(figures)
    for figure, (_, tags, fields, _) in zip(figures, found, strict=True):
        assert len(tags) == 1 + len(figure.labels)
        if isinstance(figure, Level):
            assert fields["value"] == float(figure.value)


def test_warp10_lines() -> None:
    found = parsed_gts(warp10_lines(FLUSH, "ns{1},é"))
    at, tags = 1_700_000_000_123_456, {"instance": "ns{1},é", "transport": "udp"}
    assert found[0] == (at, "streamdns.dns.truncated", tags, 10)
    assert [name for _, name, labels, _ in found if labels == tags][1:] == [
        f"streamdns.dns.latency_seconds.{part}" for part in ("count", "sum", "p50", "p90", "p99")
    ]


@given(figures, texts)
def test_warp10_of_anything_is_of_its_format(figures: list[Figure], instance: str) -> None:
    for _, _, labels, _ in parsed_gts(warp10_lines(Flush(1.0, 1, tuple(figures)), instance)):
        assert labels["instance"] == instance


@given(st.lists(st.binary(min_size=1, max_size=2 * MAX_OCTETS).map(lambda line: line.replace(b"\n", b" "))))
def test_packing_keeps_every_line_and_its_place(lines: list[bytes]) -> None:
    found = packed(lines)
    assert b"\n".join(found) == b"\n".join(lines)
    assert all(len(each) <= MAX_OCTETS or b"\n" not in each for each in found)


def test_lines_on_standard_output() -> None:
    reader, writer = os.pipe()
    try:
        Stdout(writer).send(FLUSH)
        documents = [json.loads(line) for line in os.read(reader, 65536).splitlines()]
    finally:
        os.close(reader)
        os.close(writer)
    assert [document["metric"] for document in documents] == ["dns.truncated", "view.zones", "dns.latency_seconds"]
    assert documents[0] == {"time": 1700000000.123, "metric": "dns.truncated", "labels": {"transport": "udp"},
                            "delta": 3, "total": 10}
    assert documents[2]["count"] == 40


def test_who_does_not_read_standard_output_keeps_nobody_waiting() -> None:
    reader, writer = os.pipe()
    try:
        many = Flush(1.0, 1.0, FIGURES * 1000)
        turns: list[int] = []

        def turn() -> None:
            turns.append(1)
            gevent.sleep(0.01)

        writing = gevent.spawn(Stdout(writer).send, many)
        deadline_s = time.monotonic() + 20
        while not (len(turns) > 20 and not writing.ready()) and time.monotonic() < deadline_s:
            turn()
        assert not writing.ready()
        data = b""
        while not writing.ready() or select.select([reader], [], [], 0)[0]:
            if select.select([reader], [], [], 0)[0]:
                data += os.read(reader, 65536)
            gevent.sleep(0.001)
        assert writing.successful()
        assert len(data.splitlines()) == 3000
        assert all(json.loads(line) for line in data.splitlines())
    finally:
        os.close(reader)
        os.close(writer)


def test_a_flush_that_is_broken_off_leaves_whole_lines_and_is_not_written_twice() -> None:
    """One that had begun is given up; one of which nothing was written may come again."""
    reader, writer = os.pipe()
    try:
        output = Stdout(writer)
        many = Flush(1.0, 1.0, FIGURES * 1000)
        with gevent.Timeout(0.2, TimeoutError("it took nothing")), pytest.raises(Unwanted, match="it took nothing"):
            output.send(many)
        with gevent.Timeout(0.2, TimeoutError("it took nothing")), pytest.raises(TimeoutError):
            output.send(Flush(2.0, 1.0, FIGURES))
        data = os.read(reader, 1 << 20)
        output.send(Flush(3.0, 1.0, FIGURES))
        data += os.read(reader, 1 << 20)
    finally:
        os.close(reader)
        os.close(writer)
    times = [json.loads(line)["time"] for line in data.splitlines()]
    assert 0 < times.count(1.0) < 3000
    assert (times.count(2.0), times.count(3.0)) == (0, 3)


@pytest.mark.parametrize("name", sorted(OUTPUTS))
def test_every_output_of_the_table_can_be_made(name: str) -> None:
    made = make(Target(parse_output(name if name == "stdout" else f"{name}://localhost:1/x"), "ns1"))
    made.close()
    made.close()


def test_the_catalogue_fits_every_format() -> None:
    """No metric has a name or labels that one of the outputs cannot say."""
    every: list[Figure] = []
    for metric in METRICS:
        labels = tuple("x" for _ in metric.labels)
        if metric.kind == "counter":
            every.append(Count(metric, labels, 1, 1))
        elif metric.kind == "gauge":
            every.append(Level(metric, labels, 1))
        else:
            every.append(Summary(metric, labels, (1,) * (len(metric.buckets) + 1), 1.0))
    flush = Flush(1.0, 1.0, tuple(every))
    assert len({name for name, *_ in parsed_statsd(statsd().datagrams(flush))}) == len(METRICS)
    assert len(parsed_influx(influx_lines(flush, "x"))) == len(METRICS)
    assert len(parsed_gts(warp10_lines(flush, "x"))) >= len(METRICS)
