"""Mistakes are put back, and zones replaced, by what the log says now: also where it is another one than the view's."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.harness import Server, next_ms, wait_until
from tests.harness.kafka_topics import DEADLINE_S
from tests.harness.node import ZONE, check, event, foundation
from tests.harness.pulsar import Broker
from tests.harness.pulsar_topics import Topic

pytestmark = [pytest.mark.pulsar, pytest.mark.timeout(300)]
MANY = 10_000
FEW = "@ SOA ns host 1 7200 3600 1209600 300\n@ NS ns\nns A 192.0.2.1\n"


def test_ten_thousand_deletes_are_undone(broker: Broker, serve: Callable[..., Server]) -> None:
    topic = Topic(broker, partitions=4)
    server = serve(**topic.settings(), DNS_JOURNAL_SIZE="50000")
    file = server.folder / "zone"
    file.write_text(f"$TTL 300\n{FEW}" + "".join(f"d{each} A 192.0.2.{each % 250}\n" for each in range(MANY)))
    done = server.command("import", str(file), "--origin", "many.example")
    assert done.returncode == 0, done
    check(server, topic)
    before = server.status()["digest"]
    began = next_ms()
    file.write_text(f"$TTL 300\n{FEW}")
    done = server.command("import", str(file), "--origin", "many.example", "--replace")
    assert done.returncode == 0, done
    check(server, topic)
    assert server.status()["digest"] != before
    topic.compact()  # The deletes are gone from the compacted form; what is put back is later than they were.
    done = server.command("journal", "--since", str(began), "--undo", "--yes")
    assert (done.returncode, done.stdout.splitlines()[-1], done.stderr) == (0, f"{MANY} RRsets put back", "")
    check(server, topic)
    assert server.status()["digest"] == before
    again = server.command("journal", "--since", str(began), "--undo", "--yes")
    assert again.stdout.startswith("0 RRsets would be put back"), again


@pytest.mark.parametrize("filled", [True, False], ids=["other events", "empty"])
def test_a_zone_is_replaced_in_the_log_that_is_there_now(
    broker: Broker, serve: Callable[..., Server], filled: bool
) -> None:
    """Pulsar tells only while it is read that the view is of another topic: then all of the new one is read."""
    topic = Topic(broker)
    topic.produce([*foundation(partitions=1), event(f"old.{ZONE}", "A", ["192.0.2.1"])])
    server = serve(**topic.settings(), DNS_SWAP_GUARD="off")
    check(server, topic)
    server.stop()
    topic.delete()
    topic.make()
    if filled:
        topic.produce([*foundation(partitions=1), event(f"new.{ZONE}", "A", ["192.0.2.1"])])
    file = server.folder / "zone"
    file.write_text(f"$TTL 300\n{FEW}")
    done = server.command("import", str(file), "--origin", ZONE, "--replace")
    assert done.returncode == 0, done
    log = {each.key: each.value for each in topic.read()}
    assert {key for key, value in log.items() if value} == {b"%s|%s" % (owner.encode(), rdtype) for owner, rdtype in (
        (ZONE, b"SOA"), (ZONE, b"NS"), (f"ns.{ZONE}", b"A"))}
    assert (f"new.{ZONE}|A".encode() in log) == filled
    assert f"old.{ZONE}|A".encode() not in log, "what only the old log had is not deleted in the new one"
    server.start()
    wait_until(lambda: server.answers(f"old.{ZONE}") == [], "the view is that of the new log", timeout_s=DEADLINE_S)
    check(server, topic)
