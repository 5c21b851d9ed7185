"""Figures of workers in the registry of the main process: nothing twice, nothing lost but what was not reported."""

from __future__ import annotations

from streamdns.metrics.prometheus import render
from streamdns.metrics.registry import Registry
from streamdns.workers.figures import Gathered, Levels, Reporter
from streamdns.workers.messages import Report, decode_from_worker, encode
from tests.harness.metrics_formats import samples


def carried(reporter: Reporter) -> Report:
    """A report, as it comes out of the socket."""
    report = decode_from_worker(encode(reporter.take()))
    assert isinstance(report, Report)
    return report


def test_counters_and_histograms_of_all_are_added_up() -> None:
    main, levels = Registry(), list[Levels]()
    gathered = Gathered(main, lambda: levels)
    workers = [Registry(), Registry()]
    reporters = [Reporter(worker, lambda: 0.5) for worker in workers]
    for turn in range(3):
        for number, worker in enumerate(workers):
            worker.counter("dns.queries", transport="udp", qtype="A", rcode="NOERROR").add(10 ** number)
            worker.histogram("dns.latency_seconds", transport="udp").observe(0.0003)
            if turn != 1:
                gathered.add(carried(reporters[number]))
    found = samples(render(main))
    assert found['streamdns_dns_queries_total{transport="udp",qtype="A",rcode="NOERROR"}'] == 33
    assert found['streamdns_dns_latency_seconds_count{transport="udp"}'] == 6
    assert found['streamdns_dns_latency_seconds_bucket{transport="udp",le="0.00025"}'] == 0
    assert found['streamdns_dns_latency_seconds_bucket{transport="udp",le="0.0005"}'] == 6
    assert abs(found['streamdns_dns_latency_seconds_sum{transport="udp"}'] - 6 * 0.0003) < 1e-9


def test_a_series_is_there_before_it_grows_and_is_reported_no_more_than_needed() -> None:
    main, worker = Registry(), Registry()
    gathered, reporter = Gathered(main, list), Reporter(worker, lambda: 0.0)
    worker.counter("dns.dropped", reason="not sent")
    gathered.add(carried(reporter))
    assert samples(render(main))['streamdns_dns_dropped_total{reason="not sent"}'] == 0
    assert (carried(reporter).counts, carried(reporter).histograms) == ([], [])


def test_gauges_are_those_of_workers_that_live() -> None:
    main, levels = Registry(), list[Levels]()
    gathered = Gathered(main, lambda: levels)
    for connections in (3, 4):
        worker = Registry()
        worker.gauge("dns.tcp_connections").set(connections)
        levels.append(gathered.add(carried(Reporter(worker, lambda: 0.0))))
    assert samples(render(main))["streamdns_dns_tcp_connections"] == 7
    levels[0] = {}
    assert samples(render(main))["streamdns_dns_tcp_connections"] == 4


def test_what_a_process_says_of_itself_is_told_apart() -> None:
    worker = Registry()
    worker.histogram("process.hub_late_seconds").observe(1.0)
    worker.callback("process.cpu_seconds", lambda: 5.0)
    report = carried(Reporter(worker, lambda: 0.25))
    names = {name for name, *_ in [*report.counts, *report.levels, *report.histograms]}
    assert not [name for name in names if name.startswith("process.")]
    assert report.late_s == 0.25
    assert report.cpu_s > 0
    assert report.resident_bytes > 1 << 20
