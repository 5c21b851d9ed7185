"""Where commands write, and what they say when that ends early; what needs a broker is in tests/kafka."""

from __future__ import annotations

import fcntl
import pathlib
import re
import signal
import subprocess
import sys

import pytest

from streamdns.commands.publish import CHUNK_EVENTS
from streamdns.errors import SourceError
from streamdns.sources.sink import FileSink, Placed, Tally
from tests.harness import ROOT, free_port, wait_until
from tests.harness.partitioners import java, murmur2
from tests.unit.commands.test_cli import Commands
from tests.unit.commands.test_cli_publish import a_record, line

EVENT = (b"a.example.org.|A", None, 1)


@pytest.fixture
def run(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Commands:
    return Commands(tmp_path, monkeypatch)


@pytest.fixture
def kafka(run: Commands) -> Commands:
    """With two topics of a Kafka that is not there."""
    run.set(DNS_SOURCE="kafka", DNS_KAFKA_ADDRESS=f"127.0.0.1:{free_port()}", DNS_KAFKA_TOPICS="zones other")
    return run


# -- the oracle of the tests with brokers


@pytest.mark.parametrize(
    ("key", "signed"),
    [
        (b"21", -973932308), (b"foobar", -790332482), (b"abc", 479470107),
        (b"a-little-bit-long-string", -985981536), (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
    ],
)
def test_murmur2_is_that_of_kafka(key: bytes, signed: int) -> None:
    """Kafka's own tests have these numbers."""
    assert murmur2(key) == signed % (1 << 32)


def test_partitions_of_java() -> None:
    """As BuiltInPartitioner.partitionForKey of kafka-clients 3.9.2 gives them for 4 partitions."""
    assert [java(f"h{number}.example.org.|A".encode(), 4) for number in range(3)] == [1, 2, 2]


# -- where to


@pytest.mark.parametrize("command", ["publish a.example.org A 192.0.2.1", "import x --origin org"])
def test_with_several_topics_one_has_to_be_said(kafka: Commands, command: str) -> None:
    done = kafka(*command.split())
    assert done.code == 1
    assert done.err == "streamdns: there are several topics (zones, other): say which one with --topic\n"
    done = kafka(*command.split(), "--topic", "third")
    assert "--topic third is not among DNS_KAFKA_TOPICS (zones, other)" in done.err


def test_a_file_log_has_no_topics(run: Commands) -> None:
    done = run("publish", "a.example.org", "A", "192.0.2.1", "--topic", "zones")
    assert (done.code, done.err) == (1, "streamdns: --topic is for Kafka, and DNS_SOURCE is file\n")
    assert not run.log.exists()


def test_a_broker_that_is_away(kafka: Commands) -> None:
    for arguments, stdin in (
        (("publish", "a.example.org", "A", "192.0.2.1"), b""),
        (("publish", "--json", "-"), line("a.example.org.|A", a_record("a.example.org."))),
    ):
        done = kafka(*arguments, "--topic", "other", stdin=stdin)
        assert (done.code, done.out) == (1, "")
        assert done.err.startswith("streamdns: nothing was published: Kafka at 127.0.0.1:")
        assert done.err.endswith(": connection refused\n")


def test_bad_events_are_told_before_kafka_is_reached(kafka: Commands) -> None:
    """The broker that is not there is not missed."""
    done = kafka("publish", "a.example.org", "A", "192.0.2.300", "--topic", "zones")
    assert "A content" in done.err
    done = kafka("publish", "--json", "-", "--topic", "zones", stdin=b"not json\n")
    assert done.err.endswith("streamdns: nothing was published: 1 bad line (see --skip-bad)\n")


# -- the file log as a sink


def test_the_file_log_as_a_sink(tmp_path: pathlib.Path) -> None:
    sink = FileSink(str(tmp_path / "log.jsonl"))
    (first, second) = sink.append([EVENT, EVENT])
    assert first == Placed("file", 0, 0)
    assert second.position > 0
    sink.send([EVENT])
    sink.flush()
    assert sink.tally() == Tally(3, 0)
    with pytest.raises(ValueError, match="not UTF-8"):
        sink.send([(b"\xff", None, 1)])
    assert sink.tally() == Tally(3, 0)
    sink.close()


def test_a_write_that_fails_leaves_doubt(tmp_path: pathlib.Path) -> None:
    sink = FileSink(str(tmp_path / "log.jsonl" / "no" / "such.jsonl"))
    (tmp_path / "log.jsonl").touch()
    with pytest.raises(SourceError, match="cannot append"):
        sink.send([EVENT, EVENT])
    assert sink.tally() == Tally(0, 2)


def lines(count: int) -> bytes:
    return b"".join(line(f"h{n}.example.org.|A", a_record(f"h{n}.example.org.")) for n in range(count))


def test_what_is_in_the_log_is_told_when_writing_fails(run: Commands) -> None:
    """No file may be larger than the first portion and a bit."""
    events = lines(2 * CHUNK_EVENTS)
    limit_kib = len(lines(CHUNK_EVENTS)) // 1024 + 60  # Each event gets a timestamp.
    command = f"ulimit -f {limit_kib}; exec {sys.executable} -m streamdns publish --json -"
    done = subprocess.run(["bash", "-c", command], input=events, capture_output=True, cwd=ROOT, check=False, timeout=60)
    told = done.stderr.decode()
    assert done.returncode == 1
    assert told.startswith(f"streamdns: {CHUNK_EVENTS} of {2 * CHUNK_EVENTS} events were published, and {CHUNK_EVENTS} "
                           "more may have been: cannot append to ")
    assert told.count("\n") == 1
    assert len(run.events()) >= CHUNK_EVENTS


def test_ctrl_c_is_answered_with_what_is_in_the_log(run: Commands) -> None:
    """Somebody else has the lock of the log, so the command waits."""
    run.log.touch()
    with run.log.open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        command = [sys.executable, "-m", "streamdns", "publish", "a.example.org", "A", "192.0.2.1"]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            waiting = re.compile(rf"-> FLOCK .* {process.pid} ")
            wait_until(lambda: waiting.search(pathlib.Path("/proc/locks").read_text()), "it waits for the lock")
            process.send_signal(signal.SIGINT)
            out, _ = process.communicate(timeout=30)
        finally:
            process.kill()
            process.wait()
    assert process.returncode == 130
    assert out == "streamdns: interrupted: 0 of 1 event was published, and 1 more may have been\n"
    assert not run.events()
