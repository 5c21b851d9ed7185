"""What the commands write to a real Pulsar: where it is, what it is, and what they say when it cannot be written."""

from __future__ import annotations

import pathlib
import shlex
import shutil
from collections.abc import Callable

import pytest

from streamdns.events.message_id import unpack
from streamdns.sources.pulsar.sink import java_hash
from tests.harness import ROOT, Server, wait_until
from tests.harness.kafka_topics import DEADLINE_S
from tests.harness.node import is_at
from tests.harness.pulsar import Broker
from tests.harness.pulsar_topics import Topic
from tests.harness.shown import missing, shown

pytestmark = [pytest.mark.pulsar, pytest.mark.timeout(120)]
ZONE = """\
$ORIGIN example.org.
@ 3600 SOA ns admin 1 7200 3600 1209600 300
@ 3600 NS ns
ns 3600 A 192.0.2.1
"""


@pytest.mark.parametrize(("text", "expected"), [("hello", 99162322), ("", 0), ("www.example.org.|A", None)])
def test_the_hash_is_that_of_java(text: str, expected: int | None) -> None:
    """String.hashCode: s[0] * 31**(n-1) + ..., in 32 bits; the sign is taken away."""
    found = sum(ord(char) * 31 ** (len(text) - 1 - at) for at, char in enumerate(text)) & 0xFFFFFFFF
    assert java_hash(text) == (found & 0x7FFFFFFF)
    assert expected is None or java_hash(text) == expected


@pytest.mark.parametrize("partitioner", ["java", "cpp"])
def test_what_commands_write_is_answered(
    broker: Broker, serve: Callable[..., Server], tmp_path: pathlib.Path, partitioner: str
) -> None:
    """publish says where the event is, import has each in the partition of its key, and delete-zone takes all away."""
    topic = Topic(broker, partitions=3)
    server = serve(**topic.settings(DNS_PULSAR_PARTITIONER=partitioner))
    zone = tmp_path / "zone"
    zone.write_text(ZONE + "".join(f"h{number} 300 A 192.0.2.{number % 250}\n" for number in range(2000)))
    done = server.command("import", str(zone), "--origin", "example.org.")
    assert done.returncode == 0, done.stderr
    log = topic.read()
    assert len({each.key for each in log}) == len(log) == 2003
    if partitioner == "java":
        assert all(each.key and java_hash(each.key.decode()) % 3 == each.partition for each in log)
    done = server.command("publish", "www.example.org.", "A", "192.0.2.77", "--wait")
    assert done.returncode == 0, done.stderr
    assert server.answers("www.example.org.") == ["192.0.2.77"]
    newest = topic.read()
    (written,) = (each for each in newest if each.key == b"www.example.org.|A")
    place = unpack(written.offset)
    assert f"partition {written.partition}, message {place}, position {written.offset}\n" in done.stdout
    for offset in (str(place), str(written.offset)):
        done = server.command("wait", "--partition", str(written.partition), "--offset", offset)
        assert (done.returncode, done.stderr) == (0, "")
    later = str(place._replace(ledger=place.ledger + 1))
    done = server.command("wait", "--partition", str(written.partition), "--offset", later, "--timeout", "0")
    assert done.returncode == 1
    assert f"(at {unpack(server.positions()[written.partition])})" in done.stderr
    done = server.command("publish", "www.example.org.", "A", "--delete", "--wait")
    assert done.returncode == 0, done.stderr
    assert server.answers("www.example.org.") == []
    assert topic.read()[-1].value is None or any(each.value is None for each in topic.read())
    done = server.command("delete-zone", "example.org.", "--yes")
    assert done.returncode == 0, done.stderr
    last = topic.ends()
    wait_until(lambda: is_at(server, last), "everything is applied", timeout_s=DEADLINE_S)
    assert server.status()["rrsets"] == 0


def test_the_commands_of_the_page_about_pulsar(
    broker: Broker, serve: Callable[..., Server], tmp_path: pathlib.Path
) -> None:
    """As they are printed, with what is printed below them."""
    topic = Topic(broker, partitions=4)
    server = serve(start=False, **topic.settings())
    shutil.copy(ROOT / "examples" / "example.org.zone", tmp_path)
    commands = shown("docs/pulsar.md")
    assert len(commands) == 2
    for each in commands:
        words = [str(tmp_path / word) if word.endswith(".zone") else word for word in shlex.split(each.command)]
        done = server.command(*words[1:])
        assert (done.returncode, done.stderr) == (0, ""), done
        assert not missing(each, done.stdout.replace(topic.name, "persistent://public/default/zones")), done


def test_where_it_cannot_be_written_a_sentence_says_why(broker: Broker, serve: Callable[..., Server]) -> None:
    """Nothing was published, and why: no topic, nobody there."""
    topic = Topic(broker)
    server = serve(start=False, **topic.settings())
    for setting, value, reason in (
        ("DNS_PULSAR_TOPIC", "nothing/like/that", "there is no such topic"),
        ("DNS_PULSAR_ADDRESS", "pulsar://127.0.0.1:1", "connection refused"),
        ("DNS_PULSAR_ADDRESS", "pulsar://nowhere.invalid", "the name nowhere.invalid is not known"),
    ):
        server.settings[setting] = value
        done = server.command("publish", "www.example.org.", "A", "192.0.2.77")
        assert done.returncode == 1, done
        assert done.stderr.startswith("streamdns: nothing was published: "), done.stderr
        assert reason in done.stderr
        assert done.stderr.count("\n") == 1
        server.settings |= topic.settings()
    assert topic.read() == []
