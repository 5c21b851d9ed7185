"""No room for the view, on the disk or in its map: answers go on, status says it, and it recovers by itself."""

from __future__ import annotations

import functools
import json
import pathlib
import signal
import subprocess
from collections.abc import Callable

import dns.edns
import pytest

from streamdns.view.view import open_readonly
from tests.harness import Server, model, viewing, wait_until
from tests.harness.disks import fill_disk
from tests.harness.model import Event

SOA = "ns.example.org. host.example.org. 1 2 3 4 5"
BULK = 400


def fill(server: Server, start: int, count: int = BULK) -> None:
    """Append events of about 2 KiB each."""
    text = " ".join(f'"{part:0200}"' for part in range(10))
    for number in range(start, start + count):
        server.publish(f"n{number}.example.org", "TXT", [text], timestamp=1)


def consumer(server: Server) -> tuple[str, str]:
    """State and sentence of the consumer."""
    found = server.status()["consumer"]
    return found["state"], found["error"]


def is_full(server: Server) -> bool:
    return consumer(server)[0] == "view-full"


def is_stale(server: Server) -> bool:
    """Whether answers come with extended error 3 (RFC 8914)."""
    options = server.ask("www.example.org", use_edns=0).options
    return any(isinstance(option, dns.edns.EDEOption) and option.code == 3 for option in options)


def check_whole(server: Server) -> None:
    """The view is the log, and answers come from it."""
    server.wait_applied()
    events = []
    for line in filter(bytes.strip, server.log.read_bytes().splitlines()):
        record = json.loads(line)
        events.append(Event(0, record["timestamp"], record["key"], json.dumps(record["value"])))
    expected = model.fold(events)
    status = server.status()
    assert status["digest"] == f"{expected.digest:064x}"
    assert status["rrsets"] == len(expected.served)
    assert status["consumer"]["state"] == "following"
    assert status["consumer"]["error"] == ""
    assert server.command("digest", "--verify").returncode == 0
    store = open_readonly(str(server.view))
    try:
        viewing.check(store, expected)
    finally:
        store.close()


@pytest.mark.root
def test_a_full_disk_stops_the_consumer_and_nothing_else(
    serve: Callable[..., Server], small_disk: pathlib.Path
) -> None:
    server = serve(start=False, DNS_PATHDB=str(small_disk / "view"), DNS_STALE_AFTER="1")
    server.view = small_disk / "view"
    server.publish("example.org", "SOA", [SOA], timestamp=1)
    server.publish("www.example.org", "A", ["192.0.2.1"], timestamp=1)
    server.start()
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(1 << 20))
    before = server.status()["digest"]
    fill(server, 0, 2000)
    wait_until(functools.partial(is_full, server), "the view is full")
    _, sentence = consumer(server)
    assert sentence.startswith(f"the disk of the view in {small_disk}/view/")
    assert "is full or fails" in sentence
    for _ in range(50):
        assert server.answers("www.example.org") == ["192.0.2.1"]
    assert server.get("/health")[0] == 200
    assert server.status()["lag"]["bytes"] > 0
    wait_until(lambda: is_stale(server), "answers are marked as stale")
    assert server.answers("www.example.org") == ["192.0.2.1"]
    assert "the view has been full for longer than DNS_STALE_AFTER" in server.get("/ready")[1].decode()
    stopped_at = server.positions()[0]
    assert server.status()["digest"] != before or stopped_at > 0

    # A restart on the full disk serves as well, and is full as well.
    assert server.stop() == 0
    fill_disk(small_disk / "rest")
    server.start()
    assert server.answers("www.example.org") == ["192.0.2.1"]
    wait_until(functools.partial(is_full, server), "the view is full again")
    server.kill()
    server.start()
    assert server.answers("www.example.org") == ["192.0.2.1"]
    wait_until(functools.partial(is_full, server), "the view is full after a SIGKILL")

    (small_disk / "rest").unlink()
    ballast.unlink()
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    check_whole(server)
    wait_until(lambda: not is_stale(server), "answers are no longer marked")
    assert "consumer.view_recovered" in server.written()
    assert "Traceback" not in server.written()


@pytest.mark.root
def test_a_rebuild_on_a_full_disk_waits_for_room_while_answers_go_on(
    serve: Callable[..., Server], small_disk: pathlib.Path
) -> None:
    server = serve(start=False, DNS_PATHDB=str(small_disk / "view"))
    server.view = small_disk / "view"
    server.publish("example.org", "SOA", [SOA], timestamp=1)
    server.publish("www.example.org", "A", ["192.0.2.1"], timestamp=1)
    server.start()
    ballast = small_disk / "ballast"
    fill_disk(ballast)
    other = server.folder / "other.jsonl"
    other.write_bytes(b" \n" + server.log.read_bytes())
    other.rename(server.log)
    server.publish("new.example.org", "A", ["192.0.2.9"], timestamp=1)
    wait_until(functools.partial(is_full, server), "no room for a rebuild")
    for _ in range(50):
        assert server.answers("www.example.org") == ["192.0.2.1"]
    assert server.answers("new.example.org") == []
    ballast.unlink()
    wait_until(lambda: server.answers("new.example.org") == ["192.0.2.9"], "rebuilt and swapped")
    check_whole(server)


def test_a_full_map_recovers_when_the_limit_is_raised(serve: Callable[..., Server], tmp_path: pathlib.Path) -> None:
    settings = tmp_path / "streamdns.env"
    settings.write_text("DNS_VIEW_MAX_BYTES=1M\n")
    server = serve(start=False)
    server.arguments = ("--env-file", str(settings))
    server.publish("example.org", "SOA", [SOA], timestamp=1)
    server.publish("www.example.org", "A", ["192.0.2.1"], timestamp=1)
    server.start()
    fill(server, 0)
    wait_until(functools.partial(is_full, server), "the view is full")
    assert consumer(server)[1].endswith("has reached its map size")
    status = server.status()
    assert status["lag"]["bytes"] > 0
    assert status["lag"]["seconds"] >= 0
    assert status["view"]["map_bytes"] == 1 << 20
    server.publish("late.example.org", "A", ["192.0.2.2"], timestamp=1)
    for _ in range(50):
        assert server.answers("www.example.org") == ["192.0.2.1"]
        assert server.answers("late.example.org") == []
    settings.write_text("DNS_VIEW_MAX_BYTES=512M\n")
    server.signal(signal.SIGHUP)
    wait_until(lambda: server.answers("late.example.org") == ["192.0.2.2"], "what came while it was full is answered")
    check_whole(server)
    written = server.written()
    assert "applied=DNS_VIEW_MAX_BYTES" in written
    assert "consumer.view_recovered" in written
    assert "view.grown" in written


def test_stopping_while_the_view_is_full_is_quick_and_loses_nothing(serve: Callable[..., Server]) -> None:
    server = serve(start=False, DNS_VIEW_MAX_BYTES="1M")
    server.publish("example.org", "SOA", [SOA], timestamp=1)
    server.start()
    fill(server, 0)
    wait_until(functools.partial(is_full, server), "the view is full")
    assert server.stop() == 0
    server.settings["DNS_VIEW_MAX_BYTES"] = "64M"
    server.start()
    check_whole(server)
