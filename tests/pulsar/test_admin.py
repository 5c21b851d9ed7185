"""The admin port of a real broker: entries that are left to read, and what is said where it does not tell them."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest

from streamdns.errors import SourceError
from streamdns.events.batch import Partition
from streamdns.events.message_id import unpack
from streamdns.sources.pulsar.admin import policies_of
from streamdns.sources.pulsar.config import PulsarConfig
from streamdns.sources.pulsar.source import WHOLE, PulsarSource
from streamdns.sources.pulsar.token import Token
from tests.harness import Server, wait_until
from tests.harness.kafka_topics import DEADLINE_S, Event, Seen, read_to_end, read_until
from tests.harness.pulsar import ANYBODY, Broker, ClosedBroker, missing, token
from tests.harness.pulsar_topics import Topic

pytestmark = [pytest.mark.pulsar, pytest.mark.timeout(300)]
NOBODY = "a secret that the broker does not know, long enough"


def events(count: int, *, partitions: int = 1) -> list[Event]:
    return [Event(b"k%d" % number, b"value", number % partitions) for number in range(count)]


def entries(topic: Topic, log: list[Seen], positions: dict[Partition, int]) -> int:
    """How many entries have a message at or behind these positions, by the ids that a plain reader sees."""
    return len({(each.partition, *unpack(each.offset)[:2]) for each in log
                if each.offset >= positions.get((topic.name, each.partition), 0)})


def faults(source: PulsarSource) -> list[str]:
    """What is said of the admin API itself, and not of the topic."""
    return [each for each in source.details()["warnings"] if each.startswith("the admin API")]


def detail(source: PulsarSource, name: str) -> Any:
    """What it shows after it had a moment to look."""
    gevent.sleep(0.01)
    return source.details()[name]


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_entries_that_are_not_read_are_counted(broker: Broker, tls: bool) -> None:
    """Batches and messages sent alone, over ledgers, from the beginning on; each read is seen in the count at once."""
    topic = Topic(broker, partitions=2)
    topic.produce(events(200, partitions=2), batch=7)
    topic.unload()
    topic.produce(events(40, partitions=2), batch=1)
    log = topic.read()
    whole = entries(topic, log, {})
    source = topic.source(admin=broker.admin_tls_url if tls else broker.admin_url, ca=broker.file("ca.pem"))
    positions: dict[Partition, int] = {}
    try:
        source.connect({}, {})
        wait_until(lambda: detail(source, "entries_behind") == whole, f"{whole} entries", timeout_s=DEADLINE_S)
        assert source.details()["entries"] == whole
        assert faults(source) == []
        read, caught_up = 0, False
        while not caught_up:
            batch = source.read(max_records=1, timeout_s=1.0)
            positions |= batch.positions
            read, caught_up = read + len(batch.records), batch.caught_up
            left = entries(topic, log, positions)
            # Of a batch in whose middle it is, all is taken for read.
            assert left - len(positions) <= source.details()["entries_behind"] <= left
            assert source.details()["events_read"] == read
        assert (read, source.details()["entries_behind"]) == (240, 0)
    finally:
        source.close()


def test_entries_behind_a_place_where_nobody_reads_on(broker: Broker) -> None:
    topic = Topic(broker)
    topic.produce(events(5), batch=1)
    source = topic.source(admin=broker.admin_url)
    try:
        source.connect({}, {})
        _, positions = read_to_end(source)
        source.close()
        topic.produce(events(30), batch=1)
        source.connect(positions, dict.fromkeys(positions, WHOLE))
        wait_until(lambda: detail(source, "entries_behind") == 30, "30 entries", timeout_s=DEADLINE_S)
        assert source.details()["entries"] == 35
        read_until(source, 30)
        wait_until(lambda: source.read(max_records=1, timeout_s=0.05).caught_up, "its end")
        assert source.details()["entries_behind"] == 0
    finally:
        source.close()


@pytest.mark.parametrize(("changes", "reason"), [
    ({"ca": "other-ca.pem"}, "its certificate is not accepted (DNS_PULSAR_TLS_CA): "),
    ({"host": "127.1"}, "its certificate is not accepted (DNS_PULSAR_TLS_CA): hostname mismatch"),
    ({"scheme": "http"}, "it does not answer as HTTP does: is it the port of https://?"),
    ({"port": "plain"}, "it does not speak TLS there: is it the port of http://?"),
    ({"port": "nobody's"}, "connection refused"),
    ({"host": "nowhere.invalid"}, "the name nowhere.invalid is not known"),
    ({"ca": "nothing.pem"}, "cannot use the CA certificates"),
], ids=["another CA", "another name", "TLS there", "no TLS there", "nobody there", "no name", "no CA"])
def test_reading_goes_on_where_it_does_not_tell(broker: Broker, changes: dict[str, str], reason: str) -> None:
    """One sentence among the warnings names the cause."""
    topic = Topic(broker)
    topic.produce(events(5), batch=1)
    port = {"plain": broker.admin_port, "nobody's": 1}.get(changes.get("port", ""), broker.admin_tls_port)
    admin = f"{changes.get('scheme', 'https')}://{changes.get('host', '127.0.0.1')}:{port}"
    source = topic.source(admin=admin, ca=broker.file(changes.get("ca", "ca.pem")))
    try:
        source.connect({}, {})
        fault, *others = source.details()["warnings"]
        assert reason.lower() in fault.lower()
        assert "\n" not in fault
        assert not others
        source._look_at_ledgers([(topic.name, 0)])  # As is done now and then; a failure of it ended the reading.
        assert source.details()["entries_behind"] is None
        assert source.details()["entries"] is None
        assert source.details()["warnings"] == [fault]
        assert len(read_to_end(source)[0]) == 5
        assert source.details()["entries_behind"] == 0
    finally:
        source.close()


def test_check_says_what_is_unwise(broker: Broker, serve: Callable[..., Server]) -> None:
    """Before the start, with figures; what the admin API does not tell is no reason to say that the log is away."""
    topic = Topic(broker, namespace=broker.namespace("day", retention=(1440, -1)), partitions=2)
    for admin, said in (
        (broker.admin_url, ("retention is 1440 minutes (1 days)", "no compaction threshold is set")),
        ("http://127.0.0.1:1", ("warning: the admin API of Pulsar at http://127.0.0.1:1: connection refused",)),
    ):
        server = serve(start=False, **topic.settings(DNS_PULSAR_ADMIN_ADDRESS=admin))

        def tells(server: Server = server, said: tuple[str, ...] = said) -> bool:
            """Brokers are waited for for two seconds, which may be too short here."""
            done = server.command("check")
            assert done.returncode == 0, done.stderr
            return all(each in done.stderr for each in said) and "cannot be read" not in done.stderr

        wait_until(tells, " and ".join(said), timeout_s=DEADLINE_S)


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClosedBroker]:
    """A broker that lets nobody in without a log-in."""
    reason = missing()
    if reason:
        pytest.skip(reason)
    with ClosedBroker(tmp_path_factory.mktemp("closed")) as running:
        yield running


def fault_of(topic: Topic, **config: Any) -> str:
    """What is said of the admin API when the topic's policies are asked for."""
    made = PulsarConfig(url=topic.broker.url, topic=topic.name, **config)
    return policies_of(made, Token(made), 1)[1]


def failure(source: PulsarSource) -> str:
    try:
        source.connect({}, {})
    except SourceError as error:
        return str(error)
    finally:
        source.close()
    raise AssertionError("it is let in")


def test_a_broker_that_wants_a_token(closed: ClosedBroker, tmp_path: pathlib.Path) -> None:
    """Without one and with a wrong one the broker and its admin API each say what is wanted, in one sentence."""
    topic = Topic(closed)
    assert "it wants a log-in, and has got none (" in failure(topic.source())
    assert "the log-in is refused (" in failure(topic.source(token=token(ANYBODY, secret=NOBODY.encode())))
    file = tmp_path / "token"
    file.write_text(token(ANYBODY))
    source = topic.source(token_file=str(file), admin=closed.admin_url)
    try:
        source.connect({}, {})
        assert any("no compaction threshold" in each for each in source.details()["warnings"])
        assert faults(source) == []
        # The policies are judged before anything is read, so what the admin API says then is asked by itself.
        for admin in (closed.admin_url, closed.admin_tls_url):
            for shown, said in (("", "it wants a log-in: DNS_PULSAR_TOKEN"),
                                (token(ANYBODY, secret=NOBODY.encode()), "it does not accept the token (DNS_PULSAR_"),
                                (token(ANYBODY, valid_s=-60), "it does not accept the token (DNS_PULSAR_TOKEN)"),
                                (token("stranger"), "no permission to look at ")):
                fault = fault_of(topic, admin=admin, token=shown, ca=closed.file("ca.pem"))
                assert fault.startswith(f"the admin API of Pulsar at {admin}: {said}"), fault
                assert not shown or shown not in fault
    finally:
        source.close()
