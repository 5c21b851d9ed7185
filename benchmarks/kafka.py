"""Measures from a Kafka topic to answers: catching up, single events, a steady stream; by each client, real brokers."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import time
from contextlib import ExitStack
from typing import Any

import confluent_kafka as ck

from benchmarks import machine
from benchmarks.catching_up import catch_up, lines_of
from benchmarks.changes import produced
from benchmarks.latency import Times, loaded_by, times_of, times_row
from benchmarks.load import Producer, Receiver
from benchmarks.options import Options
from benchmarks.report import Result, percentile
from benchmarks.servers import Streamdns, wait_serving
from benchmarks.zone import Zone
from tests.harness.kafka import Broker
from tests.harness.kafka_topics import Topic
from tests.harness.process import ROOT, clean_environment

_COLUMNS = (
    ("broker", "Kafka"), ("client", "client"), ("cpu_ratio", "CPU x bare loop"), ("events_per_s", "events/s"),
    ("cpu_us_per_event", "CPU us/event"), ("hub_late_p50_ms", "hub late: p50 ms"), ("hub_late_p99_ms", "p99"),
    ("idle_loop_late_p50_ms", "idle loop late: p50 ms"), ("idle_loop_late_p99_ms", "p99"),
    ("anon_mb_peak", "MB resident, peak"),
    ("idle_whole_p50_ms", "lone event: p50 ms"), ("idle_whole_p99_ms", "p99"),
    ("idle_bare_p50_ms", "bare: p50 ms"), ("idle_bare_p99_ms", "p99"),
    ("idle_after_p50_ms", "from ack: p50 ms"), ("idle_after_p99_ms", "p99"),
    ("loaded_whole_p50_ms", "under load: p50 ms"), ("loaded_whole_p99_ms", "p99"),
    ("loaded_bare_p50_ms", "bare: p50 ms"), ("loaded_bare_p99_ms", "p99"),
    ("loaded_changes_per_s", "changes/s"),
)
_PARTITIONS = 4
_WARM_UP = 3  # times as many changes before those that are timed: a broker compiles itself while it runs
_PAUSE_S = 0.0003  # The broker shares the core of the client that asks, and would wait for it.
_BARE = """
import sys, time, resource
import confluent_kafka as ck
address, topic, parts, total = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
consumer = ck.Consumer({"bootstrap.servers": address, "group.id": "bare", "enable.auto.commit": False,
                        "auto.offset.reset": "error", "check.crcs": True})
consumer.assign([ck.TopicPartition(topic, number, 0) for number in range(parts)])
began = time.monotonic()
count = 0
while count < total:
    for message in consumer.consume(5000, 0.2):
        assert message.error() is None, message.error()
        message.key(), message.value()
        count += 1
used = resource.getrusage(resource.RUSAGE_SELF)
print(count, time.monotonic() - began, used.ru_utime + used.ru_stime)
"""


def run(options: Options) -> Result:
    """Measure and give the table."""
    zone = Zone(options.log_events)
    result = Result(f"kafka: {zone.names:,} events in {_PARTITIONS} partitions, and events that come later", _COLUMNS)
    result.parameters = {"names": zone.names, "partitions": _PARTITIONS, "change_rate": options.event_rate,
                         "query_rate": options.rate, "changes": options.latency_events,
                         "changes_before": _WARM_UP * options.latency_events}
    absent = [program for program in ("java", "mvn", "openssl") if shutil.which(program) is None]
    if absent:
        result.skip("everything", f"not installed: {', '.join(absent)}")
        return result
    folder = options.work / "kafka"
    folder.mkdir(parents=True)
    log = folder / "log.jsonl"
    events = zone.write_log(log)
    zone.write_queries(folder / "hit.queries", workload="hit", count=options.queries)
    readers = [tuple(reader.split("-")) for reader in options.kafka_readers]
    for version in dict.fromkeys(version for version, _ in readers):
        print(f"kafka: filling a topic of Kafka {version}", flush=True)
        with Broker(folder / version, version) as broker:
            topic = Topic(broker, partitions=_PARTITIONS)
            result.rows.append({"broker": version, "client": "streamdns publish"}
                               | _publish(broker, topic.name, log, events, options))
            bare = _bare(broker, topic.name, events, options)
            result.rows.append({"broker": version, "client": "bare confluent loop", "cpu_ratio": 1.0} | bare)
            for client in [client for of, client in readers if of == version]:
                print(f"kafka: {version}, {client}", flush=True)
                # The changes of one measurement must not be what the next one has to catch up with.
                topic = Topic(broker, partitions=_PARTITIONS)
                _fill(broker, topic.name, log)
                row = _client(broker, topic.name, client, zone=zone, events=events, options=options)
                row["cpu_ratio"] = row["cpu_us_per_event"] / bare["cpu_us_per_event"]
                result.rows.append({"broker": version, "client": client} | row)
    return result


def _fill(broker: Broker, topic: str, log: pathlib.Path) -> None:
    """Produce the events of a file log."""
    producer = ck.Producer({"bootstrap.servers": broker.address(), "linger.ms": 50, "acks": "all",
                            "partitioner": "murmur2_random", "queue.buffering.max.messages": 200_000})
    for key, value, timestamp_ms in lines_of(log):
        while True:
            try:
                producer.produce(topic, value, key, timestamp=timestamp_ms)
                break
            except BufferError:
                producer.poll(0.1)
    assert producer.flush(120) == 0, "the topic could not be filled"


def _publish(broker: Broker, topic: str, log: pathlib.Path, events: int, options: Options) -> dict[str, Any]:
    """The same with the command, by the clock from its start to its end."""
    settings = {"DNS_SOURCE": "kafka", "DNS_KAFKA_ADDRESS": broker.address(), "DNS_KAFKA_TOPICS": topic}
    command = [options.python, "-m", "streamdns", "publish", "--json", str(log)]
    began, before = time.monotonic(), os.times()
    with machine.on_cores([options.server_core]):
        subprocess.run(command, env=clean_environment(settings), capture_output=True, cwd=ROOT, check=True)
    seconds, used = time.monotonic() - began, os.times()
    cpu_s = sum(used[2:4]) - sum(before[2:4])
    return {"events_per_s": events / seconds, "cpu_us_per_event": 1e6 * cpu_s / events}


def _bare(broker: Broker, topic: str, events: int, options: Options) -> dict[str, Any]:
    with machine.on_cores([options.server_core]):
        command = [options.python, "-c", _BARE, broker.address(), topic, str(_PARTITIONS), str(events)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    count, seconds, cpu_s = map(float, done.stdout.split())
    return {"events_per_s": count / seconds, "cpu_us_per_event": 1e6 * cpu_s / count}


def _client(
    broker: Broker, topic: str, client: str, *, zone: Zone, events: int, options: Options
) -> dict[str, Any]:
    folder = options.work / "kafka" / f"{broker.version}-{client}"
    server = Streamdns(folder, options=options, log=folder / "none", DNS_SOURCE="kafka", DNS_KAFKA_CLIENT=client,
                       DNS_KAFKA_ADDRESS=broker.address(), DNS_KAFKA_TOPICS=topic)
    with ExitStack() as stack:
        stack.callback(server.stop)
        row = catch_up(server, events, lambda: sum(server.positions().values()) >= events, options)
        wait_serving(server, zone)
        target = f"{broker.address()}/{topic}"
        change, warm_up = produced(broker.address(), topic), _WARM_UP * options.latency_events

        def measured(what: str, untimed: int = 0) -> dict[str, Any]:
            receiver = Receiver(folder, broker.address(), topic, str(_PARTITIONS), options=options)
            received: dict[str, float] = {}
            try:
                times = times_of(server.port, change, zone, options, pause_s=_PAUSE_S, untimed=untimed)
            finally:
                received |= receiver.stop()
            return times_row(what, times) | _bare_row(what, times, received)

        row |= measured("idle", warm_up)
        producer = Producer(folder, "kafka", target, str(zone.names), str(options.event_rate), options=options)
        with loaded_by(server.port, options.work / "kafka", producer, options=options, figures=row):
            row |= measured("loaded")
        row["loaded_changes_per_s"] = row.pop("changes_per_s")
    shutil.rmtree(server.view)
    return row


def _bare_row(what: str, times: Times, received: dict[str, float]) -> dict[str, Any]:
    """How long the same changes took to a consumer that does nothing with them, and what that makes of the whole."""
    bare = [1000 * (received[address] - began) for address, began in times.began_s.items()]
    figures = {f"{what}_bare_p50_ms": percentile(bare, 0.5), f"{what}_bare_p99_ms": percentile(bare, 0.99)}
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        figures[f"{what}_ratio_{name}"] = percentile(times.whole, share) / figures[f"{what}_bare_{name}_ms"]
    return figures
