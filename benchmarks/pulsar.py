"""Measures from a Pulsar topic to answers: catching up, single events, a steady stream; with a real broker."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from typing import Any

import pulsar

from benchmarks.catching_up import catch_up, lines_of
from benchmarks.changes import published
from benchmarks.latency import loaded_by, times_of, times_row
from benchmarks.load import Producer
from benchmarks.options import Options
from benchmarks.report import Result
from benchmarks.servers import Streamdns, wait_serving
from benchmarks.zone import Zone
from tests.harness.java import not_installed
from tests.harness.pulsar import Broker
from tests.harness.pulsar_topics import Topic, open_client

_COLUMNS = (
    ("partitions", "partitions"), ("events_per_s", "events/s"), ("cpu_us_per_event", "CPU us/event"),
    ("hub_late_p50_ms", "hub late: p50 ms"), ("hub_late_p99_ms", "p99"),
    ("idle_loop_late_p50_ms", "idle loop late: p50 ms"), ("idle_loop_late_p99_ms", "p99"),
    ("anon_mb_peak", "MB resident, peak"),
    ("idle_whole_p50_ms", "lone event: p50 ms"), ("idle_whole_p99_ms", "p99"),
    ("idle_after_p50_ms", "from ack: p50 ms"), ("idle_after_p99_ms", "p99"),
    ("loaded_whole_p50_ms", "under load: p50 ms"), ("loaded_whole_p99_ms", "p99"),
    ("loaded_changes_per_s", "changes/s"),
)
_WARM_UP = 3  # times as many changes before those that are timed: a broker compiles itself while it runs
_PAUSE_S = 0.0003  # The broker shares the core of the client that asks, and would wait for it.


def run(options: Options) -> Result:
    """Measure and give the table."""
    zone = Zone(options.log_events)
    result = Result(f"pulsar: {zone.names:,} events, and events that come later", _COLUMNS)
    result.parameters = {"names": zone.names, "change_rate": options.event_rate, "query_rate": options.rate,
                         "changes": options.latency_events, "changes_before": _WARM_UP * options.latency_events}
    absent = not_installed()
    if absent:
        result.skip("everything", absent)
        return result
    folder = options.work / "pulsar"
    folder.mkdir(parents=True)
    log = folder / "log.jsonl"
    events = zone.write_log(log)
    zone.write_queries(folder / "hit.queries", workload="hit", count=options.queries)
    with Broker(folder / "broker") as broker:
        for partitions in (1, 4):
            print(f"pulsar: {partitions} partitions", flush=True)
            topic = Topic(broker, partitions=partitions)
            client = open_client(broker.url)
            producer = client.create_producer(
                topic.name, batching_enabled=True, batching_max_messages=1000, batching_max_publish_delay_ms=10,
                block_if_queue_full=True, compression_type=pulsar.CompressionType.ZSTD,
            )
            for key, value, timestamp_ms in lines_of(log):
                producer.send_async(value, None, partition_key=key.decode(), event_timestamp=timestamp_ms)
            producer.flush()
            client.close()
            row = _node(topic, zone=zone, events=events, options=options)
            result.rows.append({"partitions": partitions} | row)
    return result


def _node(topic: Topic, *, zone: Zone, events: int, options: Options) -> dict[str, Any]:
    folder = options.work / "pulsar" / f"node-{topic.partitions}"
    ends = topic.ends()
    server = Streamdns(folder, options=options, log=folder / "none", **topic.settings())
    with ExitStack() as stack:
        stack.callback(server.stop)
        row = catch_up(server, events, lambda: server.positions() == ends, options)
        wait_serving(server, zone)
        change = published(topic.broker.url, topic.name)
        idle = times_of(server.port, change, zone, options, pause_s=_PAUSE_S, untimed=_WARM_UP * options.latency_events)
        row |= times_row("idle", idle)
        target = f"{topic.broker.url},{topic.name}"
        producer = Producer(folder, "pulsar", target, str(zone.names), str(options.event_rate), options=options)
        with loaded_by(server.port, options.work / "pulsar", producer, options=options, figures=row):
            row |= times_row("loaded", times_of(server.port, change, zone, options, pause_s=_PAUSE_S))
        row["loaded_changes_per_s"] = row.pop("changes_per_s")
    shutil.rmtree(server.view)
    return row
