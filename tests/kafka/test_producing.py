"""publish and import on real brokers, by the real command line: what is in the topic, and what is told."""

from __future__ import annotations

import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from streamdns.errors import SourceError
from tests.harness import ROOT, Server, free_port, wait_until
from tests.harness.kafka import PASSWORD, USER, Broker
from tests.harness.kafka_topics import COMPACTED, DEADLINE_S, Event, Topic
from tests.harness.partitioners import java, librdkafka, sarama
from tests.harness.process import clean_environment
from tests.harness.shown import missing, shown

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]
ONE = ("publish", "www.example.org", "A", "192.0.2.1", "192.0.2.2", "--ttl", "300")
KEY = b"www.example.org.|A"
BULK = 20_000


class Writer:
    """The command line with a topic to write to; `settings` are those of streamdns."""

    def __init__(self, topic: Topic, folder: pathlib.Path, **settings: str) -> None:
        self.settings = {
            "DNS_SOURCE": "kafka", "DNS_KAFKA_ADDRESS": topic.broker.address(), "DNS_KAFKA_TOPICS": topic.name,
            "DNS_PATHDB": str(folder / "writers-view"),
        } | settings

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "streamdns", *arguments], env=clean_environment(self.settings), cwd=ROOT, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )

    def __call__(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        with self.start(*arguments) as process:
            out, err = process.communicate(stdin, timeout=120)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def ok(self, *arguments: str, stdin: str = "") -> str:
        """What a command that must succeed wrote, which must not be a warning."""
        done = self(*arguments, stdin=stdin)
        assert (done.returncode, done.stderr) == (0, ""), done
        return done.stdout

    def refusal(self, *arguments: str, stdin: str = "") -> str:
        """The one sentence of a command that must fail within seconds."""
        began = time.monotonic()
        done = self(*arguments, stdin=stdin)
        assert time.monotonic() - began < 30
        assert (done.returncode, done.stdout) == (1, ""), done
        assert done.stderr.count("\n") == 1, done
        assert PASSWORD not in done.stderr
        return done.stderr.removeprefix("streamdns: ").rstrip()


def line(owner: str, content: str = "192.0.2.1", **more: Any) -> str:
    value = [{"name": owner, "type": "A", "content": content, "ttl": 300}]
    return json.dumps({"key": f"{owner}|A", "value": value} | more) + "\n"


def lines(count: int) -> str:
    return "".join(line(f"h{number}.example.org.") for number in range(count))


@contextmanager
def halted(broker: Broker) -> Iterator[None]:
    """The broker is there and does nothing."""
    assert broker.process is not None
    os.kill(broker.process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(broker.process.pid, signal.SIGCONT)


# -- what is written


def test_one_event_and_its_delete(broker: Broker, tmp_path: pathlib.Path) -> None:
    topic = Topic(broker, partitions=4)
    write = Writer(topic, tmp_path)
    before_ms = time.time_ns() // 1_000_000
    partition = java(KEY, 4)
    said = write.ok(*ONE, "--producer", "deployd")
    assert said == f"www.example.org.|A: topic {topic.name}, partition {partition}, offset 0\n"
    said = write.ok("publish", "www.example.org", "A", "--delete", "--timestamp", str(before_ms + 77))
    assert said == f"www.example.org.|A: topic {topic.name}, partition {partition}, offset 1\n"
    first, second = topic.read()
    assert first.key == second.key == KEY
    assert (first.partition, second.partition, second.offset) == (partition, partition, 1)
    assert before_ms <= first.timestamp <= time.time_ns() // 1_000_000
    assert first.value is not None
    records = json.loads(first.value)
    assert [(each["content"], each["ttl"]) for each in records] == [("192.0.2.1", 300), ("192.0.2.2", 300)]
    assert records[0]["metadatas"]["producer"] == "deployd"
    assert (second.timestamp, second.value) == (before_ms + 77, None)


@pytest.mark.parametrize(
    ("setting", "partition"), [("", java), ("murmur2", java), ("librdkafka", librdkafka), ("sarama", sarama)]
)
def test_keys_go_where_other_producers_bring_them(
    broker: Broker, tmp_path: pathlib.Path, setting: str, partition: Callable[[bytes, int], int]
) -> None:
    topic = Topic(broker, partitions=5)
    write = Writer(topic, tmp_path, **({"DNS_KAFKA_PARTITIONER": setting} if setting else {}))
    write.ok("publish", "--json", "-", stdin=lines(300))
    found = topic.read()
    assert len(found) == 300
    assert [each for each in found if each.key is None or each.partition != partition(each.key, 5)] == []
    assert {each.partition for each in found} == {0, 1, 2, 3, 4}


def test_many_from_standard_input(broker: Broker, tmp_path: pathlib.Path) -> None:
    """All of them, once, those of one key in their order."""
    topic = Topic(broker, partitions=4)
    events = "".join(line(f"h{n % 5000}.example.org.", timestamp=n + 1) for n in range(BULK))
    assert Writer(topic, tmp_path).ok("publish", "--json", "-", stdin=events) == f"{BULK} events published\n"
    found = topic.read()
    assert sorted(each.timestamp for each in found) == list(range(1, BULK + 1))
    latest: dict[bytes | None, int] = {}
    for each in found:
        assert latest.get(each.key, 0) < each.timestamp
        latest[each.key] = each.timestamp


def test_bad_lines_in_a_file(broker: Broker, tmp_path: pathlib.Path) -> None:
    topic = Topic(broker)
    write = Writer(topic, tmp_path)
    events = tmp_path / "events.jsonl"
    events.write_text(line("a.example.org.") + line("b.example.org.", "192.0.2.300") + line("c.example.org."))
    done = write("publish", "--json", str(events))
    assert done.returncode == 1
    assert "events.jsonl line 2: " in done.stderr
    assert "nothing was published: 1 bad line" in done.stderr
    assert topic.read() == []
    done = write("publish", "--json", str(events), "--skip-bad")
    assert (done.returncode, done.stdout) == (0, "2 events published, 1 bad line left out\n")
    assert [each.key for each in topic.read()] == [b"a.example.org.|A", b"c.example.org.|A"]


def test_of_several_topics_the_one_that_is_said(broker: Broker, tmp_path: pathlib.Path) -> None:
    first, second = Topic(broker), Topic(broker)
    write = Writer(first, tmp_path, DNS_KAFKA_TOPICS=f"{first.name},{second.name}")
    assert "say which one with --topic" in write.refusal(*ONE)
    assert f"topic {second.name}, partition 0, offset 0" in write.ok(*ONE, "--topic", second.name)
    assert (len(first.read()), len(second.read())) == (0, 1)


@pytest.mark.parametrize("listener", ["TLS", "MTLS", "SASL", "SASLTLS"])
def test_every_way_in(broker: Broker, tmp_path: pathlib.Path, listener: str) -> None:
    topic = Topic(broker)
    settings = {"DNS_KAFKA_ADDRESS": broker.address(listener)}
    if "TLS" in listener:
        settings |= {"DNS_KAFKA_TLS_ENABLE": "true", "DNS_KAFKA_TLS_CA": broker.file("ca.pem")}
    if listener == "MTLS":
        settings |= {"DNS_KAFKA_TLS_CERT": broker.file("client.crt"), "DNS_KAFKA_TLS_KEY": broker.file("client.key")}
    if "SASL" in listener:
        settings |= {"DNS_KAFKA_SASL_ENABLE": "true", "DNS_KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
                     "DNS_KAFKA_USER": USER, "DNS_KAFKA_PASSWORD": PASSWORD}
    Writer(topic, tmp_path, **settings).ok(*ONE)
    assert [each.key for each in topic.read()] == [KEY]


# -- zone files

ZONE = """\
$TTL 300
@ SOA ns admin {serial} 7200 3600 1209600 300
@ NS ns
ns A 192.0.2.53
www A {address}
{rest}
"""


def zone_file(folder: pathlib.Path, serial: int, address: str, rest: str) -> str:
    path = folder / f"{serial}.zone"
    path.write_text(ZONE.format(serial=serial, address=address, rest=rest))
    return str(path)


def test_a_zone_file_is_served_and_replaced(
    broker: Broker, client: str, tmp_path: pathlib.Path, serve: Callable[..., Server]
) -> None:
    topic = Topic(broker, partitions=3)
    write = Writer(topic, tmp_path, DNS_KAFKA_CLIENT=client)
    first = zone_file(tmp_path, 1, "192.0.2.1", "old A 192.0.2.9\nstays TXT here")
    second = zone_file(tmp_path, 2, "192.0.2.2", "new A 192.0.2.8\nstays TXT here")
    dry = ("--origin", "example.org", "--dry-run")
    assert write.ok("import", first, *dry).endswith("example.org.: 6 added, 0 changed, 0 deleted, 0 unchanged "
                                                    "(dry run)\n")
    assert topic.read() == []
    assert write.ok("import", first, "--origin", "example.org").startswith("example.org.: 6 added")
    server = serve(**{name: text for name, text in write.settings.items() if name != "DNS_PATHDB"})
    wait_until(lambda: server.answers("www.example.org") == ["192.0.2.1"], "the zone", timeout_s=DEADLINE_S)

    # Beside the server, with its view: once while it follows, once when it is behind.
    told = server.command("import", second, *dry, "--replace")
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.splitlines()[-1] == "example.org.: 1 added, 2 changed, 1 deleted, 3 unchanged (dry run)"
    assert "- old.example.org. A" in told.stdout
    server.stop()
    assert write.ok("publish", "late.example.org", "A", "192.0.2.7")
    told = server.command("import", second, "--origin", "example.org", "--replace")
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout == "example.org.: 1 added, 2 changed, 2 deleted, 3 unchanged\n"
    server.start()
    wait_until(lambda: server.answers("new.example.org") == ["192.0.2.8"], "what was added", timeout_s=DEADLINE_S)
    wait_until(lambda: server.answers("late.example.org") == [], "what was deleted", timeout_s=DEADLINE_S)
    assert server.answers("old.example.org") == []
    assert server.answers("www.example.org") == ["192.0.2.2"]
    deletes = {each.key for each in topic.read() if each.value is None}
    assert deletes == {b"old.example.org.|A", b"late.example.org.|A"}
    assert write.ok("import", second, "--origin", "example.org") == (
        "example.org.: 0 added, 0 changed, 0 deleted, 6 unchanged\n"
    )


def test_the_commands_of_the_page_about_kafka(broker: Broker, tmp_path: pathlib.Path) -> None:
    """As they are printed, with what is printed below them."""
    topic = Topic(broker, partitions=4)
    settings = clean_environment(Writer(topic, tmp_path).settings) | {"PYTHONPATH": str(ROOT)}
    (tmp_path / "events.jsonl").write_text(lines(20_000))
    shutil.copy(ROOT / "examples" / "example.org.zone", tmp_path)
    commands = shown("docs/kafka.md")
    assert len(commands) == 3
    for each in commands:
        command = [sys.executable, "-m", *shlex.split(each.command)]
        done = subprocess.run(
            command, env=settings, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, ""), done
        assert not missing(each, done.stdout.replace(topic.name, "zones")), done


# -- what fails


def test_a_broker_that_is_away(broker: Broker, tmp_path: pathlib.Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    write = Writer(Topic(broker), tmp_path, DNS_KAFKA_ADDRESS=address)
    assert write.refusal(*ONE) == f"nothing was published: Kafka at {address}: connection refused"
    zone = zone_file(tmp_path, 1, "192.0.2.1", "")
    assert f"Kafka at {address}: connection refused" in write.refusal("import", zone, "--origin", "example.org")


def test_a_broker_that_hangs_from_the_start(broker: Broker, tmp_path: pathlib.Path) -> None:
    """It is there and says nothing: that is what is said, and nothing of brokers that are up or down."""
    write = Writer(Topic(broker), tmp_path)
    with halted(broker):
        said = write.refusal(*ONE)
    assert said.startswith("nothing was published: ")
    assert "no answer within " in said or "do not answer" in said, said
    assert "down" not in said


def test_a_topic_that_is_not_there_is_not_made(broker: Broker, tmp_path: pathlib.Path) -> None:
    topic = Topic(broker)
    topic.delete()
    said = Writer(topic, tmp_path).refusal(*ONE)
    assert said.startswith(f"nothing was published: Kafka topic {topic.name}: there is no such topic")
    assert not topic._is_there()


def test_a_wrong_password(broker: Broker, tmp_path: pathlib.Path) -> None:
    write = Writer(
        Topic(broker), tmp_path, DNS_KAFKA_ADDRESS=broker.address("SASL"), DNS_KAFKA_SASL_ENABLE="true",
        DNS_KAFKA_SASL_MECHANISM="SCRAM-SHA-256", DNS_KAFKA_USER=USER, DNS_KAFKA_PASSWORD="guess",
    )
    assert f"authentication as {USER} failed" in write.refusal(*ONE)


def test_a_wrong_ca(broker: Broker, tmp_path: pathlib.Path) -> None:
    tls = {"DNS_KAFKA_TLS_ENABLE": "true", "DNS_KAFKA_TLS_CA": broker.file("other-ca.pem")}
    write = Writer(Topic(broker), tmp_path, DNS_KAFKA_ADDRESS=broker.address("TLS"), **tls)
    assert "the broker's certificate is not accepted" in write.refusal(*ONE)


def test_an_event_that_is_too_large_for_the_topic(broker: Broker, tmp_path: pathlib.Path) -> None:
    """Batches of many small ones keep to the limit."""
    topic = Topic(broker, config=COMPACTED | {"max.message.bytes": "2000"})
    write = Writer(topic, tmp_path)
    assert write.ok("publish", "--json", "-", stdin=lines(500)) == "500 events published\n"
    said = write.refusal("publish", "large.example.org", "TXT", *("x" * 255 + str(n) for n in range(9)))
    assert said == (f"nothing was published: Kafka topic {topic.name}, event large.example.org.|TXT: it is larger than "
                    "the topic takes (max.message.bytes)")
    assert len(topic.read()) == 500


def test_a_timestamp_that_the_topic_refuses(broker: Broker, tmp_path: pathlib.Path) -> None:
    topic = Topic(broker, config=COMPACTED | {"message.timestamp.after.max.ms": "60000"})
    future = str(time.time_ns() // 1_000_000 + 3_600_000)
    said = Writer(topic, tmp_path).refusal(*ONE, "--timestamp", future)
    assert said.endswith("event www.example.org.|A: its timestamp is further from now than the topic takes")
    assert "timestamp 0" in Writer(topic, tmp_path).refusal(*ONE, "--timestamp", "0")
    assert topic.read() == []


def test_a_broker_that_falls_silent(broker: Broker, tmp_path: pathlib.Path) -> None:
    """In the middle of many: what is in the topic is told, and no more than that is there."""
    topic = Topic(broker, partitions=2)
    write = Writer(topic, tmp_path, DNS_KAFKA_DELIVERY_TIMEOUT="3")
    with under_way(write, topic) as (process, total), halted(broker):
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (1, "")
    stored, doubtful = counts(err, total, "")
    assert "no broker has confirmed it within 3 s" in err
    assert doubtful
    settle(topic, stored, stored + doubtful)


@pytest.mark.parametrize("silent", [False, True])
def test_ctrl_c(broker: Broker, tmp_path: pathlib.Path, silent: bool) -> None:
    topic = Topic(broker, partitions=2)
    with under_way(Writer(topic, tmp_path), topic) as (process, total):
        if silent:
            with halted(broker):
                process.send_signal(signal.SIGINT)
                out, err = process.communicate(timeout=10)
        else:
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=10)
    assert (process.returncode, out) == (130, ""), err
    stored, doubtful = counts(err, total, "interrupted: ")
    settle(topic, stored, stored + doubtful)


def test_ctrl_c_while_a_broker_does_not_answer(broker: Broker, tmp_path: pathlib.Path) -> None:
    topic = Topic(broker)
    with halted(broker), Writer(topic, tmp_path).start(*ONE) as process:
        wait_until(lambda: has_socket(process.pid), "it is connected")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)
    assert (process.returncode, out, err) == (130, "", "streamdns: interrupted: nothing was published\n")


def has_socket(pid: int) -> bool:
    """Whether a process has one; a file that was closed meanwhile is none."""
    for each in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        try:
            if os.readlink(each).startswith("socket:"):
                return True
        except FileNotFoundError:
            continue
    return False


@contextmanager
def under_way(write: Writer, topic: Topic) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A command in the middle of more events than it can write at once, and their number."""
    total = 20 * BULK
    events = pathlib.Path(write.settings["DNS_PATHDB"]).with_name("many.jsonl")
    events.write_text(lines(total))
    with write.start("publish", "--json", str(events)) as process:
        try:
            wait_until(lambda: ends(topic) > 1000, "the first are written", timeout_s=DEADLINE_S)
            yield process, total
        finally:
            process.kill()


def ends(topic: Topic) -> int:
    """How many events the topic has; a broker that was halted is no leader for a while."""

    def looked() -> list[int]:
        source = topic.source("confluent")
        try:
            source.connect({}, {})
            return [sum(source.ends().values())]
        except SourceError:
            return []
        finally:
            source.close()

    return wait_until(looked, "the ends of the topic", timeout_s=DEADLINE_S)[0]


def counts(told: str, total: int, begin: str) -> tuple[int, int]:
    """How many events are written for certain, and how many perhaps, as the sentence has it."""
    doubt = r"(?:, and (\d+) more may have been)?"
    found = re.match(rf"streamdns: {begin}(\d+) of {total} events were published{doubt}", told)
    assert found, told
    assert told.count("\n") == 1, told
    assert int(found[1]) < total, told
    return int(found[1]), int(found[2] or 0)


def settle(topic: Topic, least: int, most: int) -> None:
    """The topic has not less than what was told, and not more."""
    topic.produce([Event(b"last", None, number) for number in range(topic.partitions)])
    assert least <= ends(topic) - topic.partitions <= most
