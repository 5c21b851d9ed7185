"""Another log: alarm, rebuild beside the view that serves, swap; and what happens when that is interrupted."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable, Sequence

import dns.edns
import dns.exception
import dns.message
import dns.rcode
import pytest

from tests.harness import Server, event_line, model, wait_until
from tests.harness.model import Event
from tests.harness.watching import asking

SOA = "ns.example.org. host.example.org. 1 2 3 4 5"


def line(name: str, rdtype: str, content: str, *, timestamp: int = 1, ttl: int | None = 60) -> bytes:
    """An event of one record."""
    record = {"name": name, "type": rdtype, "content": content} | ({} if ttl is None else {"ttl": ttl})
    return event_line(f"{name}|{rdtype}", [record], timestamp)


BASE = [line("example.org.", "SOA", SOA), line("both.example.org.", "A", "192.0.2.1")]
#: What may be said of the name that is in every log; some have another address for it.
BOTH = {"both.example.org": ["192.0.2.1", "192.0.2.7"]}


def bulk(count: int, *, mark: str = "bulk") -> list[bytes]:
    """Events that take a while to read."""
    return [line(f"{mark}{number}.example.org.", "TXT", f'"{number:0100}"') for number in range(count)]


def replace(server: Server, lines: Sequence[bytes]) -> None:
    """Put another log into the place of this one, in one step."""
    other = server.folder / "other.jsonl"
    other.write_bytes(b"".join(lines))
    other.rename(server.log)


def generations(server: Server) -> list[str]:
    """The generations of the view on the disk."""
    return sorted(name for name in os.listdir(server.view) if name.startswith("view-"))


def swapped(server: Server, old: Sequence[str]) -> bool:
    """Whether only one generation is left, and another one."""
    now = generations(server)
    return len(now) == 1 and now != list(old) and server.status()["consumer"]["state"] == "following"


def rebuilt(server: Server) -> int:
    """How far a rebuild has read the log; 0 where there is none."""
    status = server.status()
    at = [each["position"] for each in status["positions"]]
    return sum(at) if status["consumer"]["state"] == "rebuilding" else 0


def check(server: Server, lines: Sequence[bytes]) -> None:
    """The view holds these events and nothing else."""
    records = [json.loads(each) for each in lines if each.strip()]
    events = [Event(0, each["timestamp"], each["key"], json.dumps(each["value"])) for each in records]
    expected = model.fold(events)
    server.wait_applied()
    status = server.status()
    assert status["digest"] == f"{expected.digest:064x}"
    assert (status["rrsets"], status["zones"]) == (len(expected.served), len(expected.zones))
    assert server.command("digest", "--verify").returncode == 0


def _truncated(server: Server) -> list[bytes]:
    os.truncate(server.log, sum(map(len, BASE)))
    return BASE


def _recreated(server: Server) -> list[bytes]:
    lines = [line("example.org.", "SOA", SOA, timestamp=9), line("both.example.org.", "A", "192.0.2.7"), *bulk(3000)]
    replace(server, lines)
    return lines


def _first_line_changed(server: Server) -> list[bytes]:
    lines = server.log.read_bytes().splitlines(keepends=True)
    lines[0] = lines[0].replace(b" 1 2 3 4 5", b" 9 2 3 4 5")
    with server.log.open("r+b") as file:
        file.write(lines[0])
    return lines


@pytest.mark.parametrize("change", [_truncated, _recreated, _first_line_changed])
@pytest.mark.parametrize("running", [True, False])
def test_a_replaced_log_is_an_alarm_and_a_rebuild_beside(
    serve: Callable[..., Server], change: Callable[[Server], list[bytes]], *, running: bool
) -> None:
    # What would go away: test_swap_guard.py.
    server = serve(start=False, DNS_BATCH_EVENTS="200", DNS_SWAP_GUARD="off")
    server.append([*BASE, *bulk(2000, mark="old")])
    server.start()
    old = generations(server)
    assert server.answers("old7.example.org", "TXT")
    if running:
        with asking(server, BOTH) as wrong:
            lines = change(server)
            wait_until(functools.partial(swapped, server, old), "the rebuilt view serves")
        assert wrong == []
    else:
        assert server.stop() == 0
        lines = change(server)
        server.start()
        with asking(server, BOTH) as wrong:
            wait_until(functools.partial(swapped, server, old), "the rebuilt view serves")
        assert wrong == []
    check(server, lines)
    status = server.status()
    assert str(server.log) in status["consumer"]["alarm"]["reason"]
    assert status["view"]["rebuild"] is None
    assert status["lag"]["bytes"] == 0
    assert server.metrics()["streamdns_consumer_rebuilds_total"] == 1
    written = server.written()
    for event in ("consumer.log_replaced", "consumer.rebuild_started", "consumer.rebuild_swapped"):
        assert event in written
    # It goes on as ever, also after another start.
    server.publish("later.example.org", "A", ["192.0.2.9"], timestamp=2)
    wait_until(lambda: server.answers("later.example.org") == ["192.0.2.9"], "the rebuilt view follows")
    assert server.stop() == 0
    server.start()
    assert server.answers("later.example.org") == ["192.0.2.9"]
    assert len(generations(server)) == 1


def test_an_empty_log_does_not_blank_the_view(serve: Callable[..., Server]) -> None:
    server = serve(start=False)
    server.append(BASE)
    server.start()
    old = generations(server)
    with asking(server, BOTH) as wrong:
        os.truncate(server.log, 0)
        wait_until(lambda: "the log is empty" in server.status()["consumer"]["error"], "the consumer holds the swap")
        assert server.status()["consumer"]["state"] == "held"
        assert server.status()["records"] == 2
    assert wrong == []
    assert server.stop() == 0
    server.start()
    assert server.answers("both.example.org") == ["192.0.2.1"]
    server.append(BASE[::-1])
    wait_until(functools.partial(swapped, server, old), "the first event ends the wait")
    check(server, BASE)


def test_a_rebuild_that_is_killed_in_the_middle_goes_on(serve: Callable[..., Server]) -> None:
    lines = [*BASE, *bulk(20_000)]
    server = serve(start=False, DNS_BATCH_EVENTS="20")
    server.append([line("example.org.", "SOA", SOA, timestamp=5), *BASE])
    server.start()
    old = generations(server)
    replace(server, lines)

    def further() -> int:
        at = rebuilt(server)
        return at if at > max([2000, *seen]) else 0

    seen: list[int] = []
    for _ in range(3):
        seen.append(wait_until(further, "it rebuilds on"))
        server.kill()
        assert len(generations(server)) == 2
        server.start()
        assert server.answers("both.example.org") == ["192.0.2.1"]
    assert seen == sorted(seen)
    wait_until(functools.partial(swapped, server, old), "the rebuilt view serves", timeout_s=60)
    check(server, lines)
    assert server.written().count("consumer.rebuild_started") == 1


def test_a_rebuild_whose_log_is_replaced_again_begins_again(serve: Callable[..., Server]) -> None:
    server = serve(start=False, DNS_BATCH_EVENTS="20")
    server.append([line("example.org.", "SOA", SOA, timestamp=5), *BASE])
    server.start()
    old = generations(server)
    replace(server, [*BASE, *bulk(30_000)])
    wait_until(lambda: server.status()["consumer"]["state"] == "rebuilding", "it rebuilds")
    lines = [line("example.org.", "SOA", SOA, timestamp=7), *BASE, *bulk(100, mark="again")]
    replace(server, lines)
    wait_until(functools.partial(swapped, server, old), "the rebuilt view serves")
    wait_until(lambda: server.answers("again99.example.org", "TXT"), "of the last log")
    check(server, lines)


def test_another_default_ttl_rebuilds_even_when_that_is_interrupted(serve: Callable[..., Server]) -> None:
    server = serve(start=False, DNS_BATCH_EVENTS="20", DNS_DEFAULT_TTL="100")
    lines = [
        line("example.org.", "SOA", SOA), line("both.example.org.", "A", "192.0.2.1", ttl=None), *bulk(60_000),
        line("last.example.org.", "A", "192.0.2.1", ttl=None),
    ]  # fmt: skip
    server.append(lines)
    server.start()

    def ttl(name: str) -> int:
        return int(server.ask(name).answer[0].ttl)

    assert (ttl("both.example.org"), ttl("last.example.org")) == (100, 100)
    for seconds in ("200", "300"):
        old = generations(server)
        assert server.stop() == 0
        server.settings["DNS_DEFAULT_TTL"] = seconds
        server.start()
        assert server.answers("both.example.org") == ["192.0.2.1"]
        if seconds == "200":
            wait_until(lambda: rebuilt(server) > 0, "a rebuild has begun")
    wait_until(functools.partial(swapped, server, old), "the rebuilt view serves", timeout_s=60)
    assert (ttl("both.example.org"), ttl("last.example.org")) == (300, 300)
    assert "DNS_DEFAULT_TTL was 200 when a rebuild began and is 300 now" in server.written()
    assert server.command("digest", "--verify").returncode == 0


@pytest.mark.parametrize("damage", ["garbage", "older"])
def test_a_view_that_cannot_be_used_is_rebuilt(serve: Callable[..., Server], damage: str) -> None:
    server = serve(start=False)
    server.append([*BASE, *bulk(10)])
    server.start()
    old = generations(server)
    assert server.stop() == 0
    data = server.view / old[0] / "data.mdb"
    if damage == "garbage":
        data.write_bytes(b"\xa5" * 65536)
    else:
        from streamdns.view.store import Store

        store = Store(str(server.view / old[0]), max_bytes=1 << 30)
        with store.begin(write=True) as txn:
            txn.put(b"schema", b"0", db=store.meta)
        store.close()
    server.start()
    wait_until(functools.partial(swapped, server, old), "the rebuilt view serves")
    assert server.answers("both.example.org") == ["192.0.2.1"]
    check(server, [*BASE, *bulk(10)])
    assert "view.rebuild_needed" in server.written()


def test_a_view_of_a_newer_version_is_refused(serve: Callable[..., Server]) -> None:
    from streamdns.view.store import SCHEMA, Store

    server = serve(start=False)
    server.append(BASE)
    server.start()
    assert server.stop() == 0
    path = server.view / generations(server)[0]
    store = Store(str(path), max_bytes=1 << 30)
    with store.begin(write=True) as txn:
        txn.put(b"schema", b"99", db=store.meta)
    store.close()
    done = server.command("run", timeout_s=20)
    # systemd does not try that again and again.
    assert done.returncode == 78
    said = f"the view in {path} has schema 99, this version knows up to {SCHEMA}: install"
    assert said in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_an_empty_view_answers_not_ready_until_it_has_caught_up(serve: Callable[..., Server]) -> None:
    server = serve(start=False)
    server.log.unlink()
    server.log.mkdir()
    (server.log / "0.jsonl").mkdir()  # in the way of the log: it cannot be read
    server.start(wait=False)

    def reply(name: str) -> dns.message.Message | None:
        try:
            return server.udp(dns.message.make_query(name, "A", use_edns=0), timeout_s=1)
        except (OSError, dns.exception.DNSException):
            return None

    first = wait_until(lambda: reply("both.example.org"), "it answers")
    for found in (first, reply("elsewhere.example.net"), reply("com")):
        assert found is not None
        assert found.rcode() == dns.rcode.SERVFAIL
        assert [int(option.code) for option in found.options if isinstance(option, dns.edns.EDEOption)] == [14]
    code, body = server.get("/ready")
    assert code == 503
    assert json.loads(body)["because"] == ["the view has not yet caught up with the log"]
    (server.log / "0.jsonl").rmdir()
    server.append(BASE)
    wait_until(lambda: server.answers("both.example.org") == ["192.0.2.1"], "it answers from the log")
    assert server.get("/ready")[0] == 200
    assert server.ask("none.example.org").rcode() == dns.rcode.NXDOMAIN
    assert server.ask("elsewhere.example.net").rcode() == dns.rcode.REFUSED
