"""A topic that lost its data, or got too many deletes: what was answered goes on, and comes back."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.harness import Server, next_ms, wait_until
from tests.harness.kafka import Broker
from tests.harness.kafka_node import ZONE, Prober, check, event, foundation, settings
from tests.harness.kafka_topics import COMPACTED, DEADLINE_S, Event, Topic

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]
NAMES = 60
MANY = 10_000


def names(*numbers: int, partitions: int) -> list[Event]:
    return [event(f"n{each}.{ZONE}", "A", [f"192.0.2.{each}"], each % partitions) for each in numbers]


def is_held(server: Server) -> bool:
    return server.status()["view"]["held"] is not None


def test_a_topic_that_is_made_again_and_filled_slowly(
    broker: Broker, client: str, serve: Callable[..., Server]
) -> None:
    """Nobody who asks sees anything: held while little is there, also over a SIGKILL, and then taken over by itself."""
    topic = Topic(broker, partitions=2, config=COMPACTED)
    topic.produce([*foundation(partitions=2), *names(*range(NAMES), partitions=2)])
    server = serve(**settings(topic, client))
    check(server, topic)
    with Prober(server, restarts=True):
        topic.delete()
        topic.make()
        topic.produce(foundation(partitions=2))
        wait_until(lambda: is_held(server), "it is held", timeout_s=DEADLINE_S)
        assert server.answers(f"n7.{ZONE}") == ["192.0.2.7"]
        server.kill()
        server.start()
        wait_until(lambda: is_held(server), "it is held on", timeout_s=DEADLINE_S)
        for first in range(0, NAMES, 20):
            assert server.answers(f"n{first + 1}.{ZONE}") == [f"192.0.2.{first + 1}"]
            topic.produce(names(*range(first, first + 20), partitions=2))
        wait_until(lambda: not is_held(server), "it takes over", timeout_s=DEADLINE_S)
        assert server.answers(f"n7.{ZONE}") == ["192.0.2.7"]
        check(server, topic)
    assert "consumer.rebuild_swapped" in server.written()


def test_a_topic_that_is_made_again_and_accepted(broker: Broker, client: str, serve: Callable[..., Server]) -> None:
    topic = Topic(broker, config=COMPACTED)
    topic.produce([*foundation(partitions=1), *names(*range(NAMES), partitions=1)])
    server = serve(**settings(topic, client))
    check(server, topic)
    with Prober(server):
        topic.delete()
        topic.make()
        topic.produce(foundation(partitions=1))
        wait_until(lambda: is_held(server), "it is held", timeout_s=DEADLINE_S)
        done = server.command("rebuild", "--accept", "--yes")
        assert done.returncode == 0, done
        assert f"0 of 1 zones and {NAMES} of " in done.stdout
        check(server, topic)
    assert server.answers(f"n7.{ZONE}") == []


def test_ten_thousand_deletes_are_undone(broker: Broker, client: str, serve: Callable[..., Server]) -> None:
    topic = Topic(broker, partitions=4, config=COMPACTED)
    server = serve(**settings(topic, client), DNS_JOURNAL_SIZE="50000")
    zone = "\n".join(["$TTL 300", "@ SOA ns host 1 7200 3600 1209600 300", "@ NS ns", "ns A 192.0.2.1",
                      *(f"d{each} A 192.0.2.{each % 250}" for each in range(MANY))])
    file = server.folder / "zone"
    file.write_text(zone + "\n")
    assert server.command("import", str(file), "--origin", "many.example").returncode == 0
    check(server, topic)
    before = server.command("digest").stdout.split()[0]
    began = next_ms()
    file.write_text("\n".join(zone.splitlines()[:4]) + "\n")
    assert server.command("import", str(file), "--origin", "many.example", "--replace").returncode == 0
    check(server, topic)
    assert server.command("digest").stdout.split()[0] != before
    done = server.command("journal", "--since", str(began), "--undo", "--yes")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, f"{MANY} RRsets put back"), done
    check(server, topic)
    assert server.command("digest").stdout.split()[0] == before
