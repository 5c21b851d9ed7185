"""A whole streamdns beside name servers that attack it: processor time, packets, and what other clients get meanwhile.

No times by the clock: what a question costs is what the kernel counts for the thread of the event loop.
"""

from __future__ import annotations

import pathlib
import random
import socket
import time
from collections.abc import Callable, Iterator

import dns.edns
import dns.message
import dns.rcode
import pytest

from streamdns.resolver.resolution.places import YOUNG_S
from tests.harness import Server
from tests.harness.hostile_servers import VICTIM, HostileServers, wire
from tests.harness.process import free_port, wait_until
from tests.integration.clients import SOA, line

_CHANCE = random.SystemRandom()


@pytest.fixture(scope="module")
def hostile() -> Iterator[HostileServers]:
    network = f"127.{_CHANCE.randrange(10, 250)}.{_CHANCE.randrange(1, 250)}"
    with HostileServers(network, free_port(f"{network}.1")) as servers:
        yield servers


@pytest.fixture
def resolver(
    hostile: HostileServers, serve: Callable[..., Server], tmp_path: pathlib.Path
) -> Callable[..., Server]:
    def begin(*events: bytes, **settings: str) -> Server:
        server = serve(start=False, **{
            "DNS_RECURSION_ALLOW": "127.0.0.0/8", "DNS_ROOT_HINTS": str(hostile.hints(tmp_path)),
            "DNS_RESOLVER_DENY": "none", "DNS_RESOLVER_PORT": str(hostile.port),
        } | settings)
        server.append(list(events))
        server.start()
        wait_until(lambda: server.ask("first.good").answer, "the way down is known")
        return server

    return begin


def processor_ms(server: Server) -> float:
    """The processor time that the thread of the event loop has taken."""
    return int(pathlib.Path(f"/proc/{server.pid}/task/{server.pid}/schedstat").read_text().split()[0]) / 1e6


def cost_ms(server: Server, name: str) -> tuple[float, dns.message.Message]:
    began_ms = processor_ms(server)
    reply = server.ask(name, use_edns=0)
    return processor_ms(server) - began_ms, reply


def reasons(reply: dns.message.Message) -> list[str]:
    return [option.text or "" for option in reply.options if isinstance(option, dns.edns.EDEOption)]


@pytest.mark.parametrize(("name", "most_ms"), [
    ("a.b.chain", 100), ("a.b.owners", 100), ("a.b.dense", 50), ("a.b.wrong", 150),
])
def test_a_question_to_hostile_servers_costs_little(
    resolver: Callable[..., Server], say: Callable[[str], None], name: str, most_ms: float
) -> None:
    """Unbound takes 26 ms for the first, BIND 34 ms; without bounds it was seconds."""
    server = resolver()
    taken_ms, reply = cost_ms(server, name)
    say(f"{name}: {taken_ms:.1f} ms of processor time")
    assert reply.rcode() == dns.rcode.SERVFAIL
    assert taken_ms < most_ms
    assert server.ask("after.good").answer
    # And again: whoever costs much is left alone.
    began_ms = processor_ms(server)
    for number in range(20):
        server.ask(f"x{number}.{name}", use_edns=0)
    each_ms = (processor_ms(server) - began_ms) / 20
    say(f"{name}: then {each_ms:.1f} ms for each of 20")
    assert each_ms < most_ms


def test_a_question_sends_few_packets_to_a_victim(
    resolver: Callable[..., Server], hostile: HostileServers, say: Callable[[str], None]
) -> None:
    """NXNSAttack over two levels of delegations."""
    server = resolver()
    before = hostile.asked[VICTIM]
    assert server.ask("x.nxns").rcode() == dns.rcode.SERVFAIL
    sent = hostile.asked[VICTIM] - before
    say(f"{sent} packets to the victim")
    assert 0 < sent <= 12


class Flood:
    """Sends questions from many networks of clients, and waits for no answers."""

    def __init__(self, server: Server, networks: int) -> None:
        self.sockets = []
        for number in range(networks):
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sock.bind((f"127.200.{number}.1", 0))
            sock.connect(("127.0.0.1", server.port))
            self.sockets.append(sock)

    def send(self, names: list[str], *, rd: bool = True) -> None:
        for number, name in enumerate(names):
            head = number.to_bytes(2, "big") + (b"\1\0" if rd else b"\0\0") + b"\0\1" + bytes(6)
            self.sockets[number % len(self.sockets)].send(head + wire(name) + b"\0\1\0\1")

    def close(self) -> None:
        for sock in self.sockets:
            sock.close()


def good_answers(server: Server, kind: str, number: int, *, aside: Callable[[int], None]) -> int:
    """How many of so many new names of a healthy zone are resolved, with something else done before each."""
    answered = 0
    for each in range(number):
        aside(each)
        answered += bool(server.ask(f"{kind}{each}.good").answer)
    return answered


def test_a_good_client_finds_a_place_beside_a_flood(resolver: Callable[..., Server]) -> None:
    """12 networks ask for names whose servers are silent, many times as often as there are places."""
    server = resolver(
        DNS_RECURSION_LIMIT="120", DNS_RECURSION_CLIENT_LIMIT="100", DNS_RESOLVER_ZONE_LIMIT="0",
        DNS_RESOLVER_SERVER_LIMIT="0", DNS_SERVE_STALE="false",
    )
    flood = Flood(server, 12)

    def more(number: int) -> None:
        flood.send([f"w.{number}x{each}.silent" for each in range(60)])

    more(-1)
    more(-2)
    wait_until(lambda: server.metrics()["streamdns_resolver_running"] >= 100, "most places are taken")
    young_until_s = time.monotonic() + YOUNG_S
    wait_until(lambda: time.monotonic() > young_until_s, "these are not young any more")
    assert good_answers(server, "beside", 20, aside=more) == 20
    assert server.metrics()['streamdns_resolver_limited_total{limit="gave_way"}'] > 20
    flood.close()


def test_a_flood_for_one_server_takes_a_part_of_the_places(resolver: Callable[..., Server]) -> None:
    """Each name is a zone of its own, and all of them have the same two silent addresses."""
    server = resolver(DNS_RECURSION_LIMIT="500", DNS_RESOLVER_SERVER_LIMIT="50", DNS_SERVE_STALE="false")
    flood = Flood(server, 12)
    flood.send([f"w.y{each}.silent" for each in range(400)])
    wait_until(lambda: server.metrics().get('streamdns_resolver_given_up_total{reason="server"}', 0) > 250,
               "most are told that the servers have enough to do")
    assert good_answers(server, "limited", 20, aside=lambda number: None) == 20
    assert server.metrics().get('streamdns_resolver_limited_total{limit="all"}', 0) == 0
    flood.close()


def test_strangers_do_not_take_places_through_names_of_ours(resolver: Callable[..., Server]) -> None:
    """A flattened apex is asked for once; it has places of its own, and says nothing of whom we ask."""
    server = resolver(
        line("flat.test.", "SOA", [SOA]), line("flat.test.", "CNAME", ["w.flattened.silent."]),
        DNS_APEX_CNAME="flatten", DNS_RECURSION_ALLOW="127.0.0.1", DNS_RECURSION_LIMIT="50",
        DNS_RECURSION_CLIENT_LIMIT="40", DNS_ZONES="flat.test.",
    )
    flood = Flood(server, 12)

    def more(number: int) -> None:
        flood.send(["flat.test"] * 60, rd=False)

    more(0)
    wait_until(lambda: server.metrics()["streamdns_dns_in_flight"] >= 15, "its places are taken")
    assert server.metrics()["streamdns_resolver_running"] == 1
    assert good_answers(server, "own", 10, aside=more) == 10
    reply = server.ask("flat.test", use_edns=0)
    assert reply.rcode() == dns.rcode.SERVFAIL
    assert "127." not in "".join(reasons(reply))
    flood.close()
