"""A whole streamdns that resolves, in a tree of real servers on addresses of its own below 127.0.0.0/8."""

from __future__ import annotations

import http.client
import json
import pathlib
import random
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import dns.edns
import dns.flags
import dns.message
import dns.query
import dns.rcode
import pytest

from tests.harness import Knot, Nsd, Server
from tests.harness.process import free_port, wait_until
from tests.integration.clients import SOA, Client, framed, line

pytestmark = pytest.mark.peers("nsd", "knotd")

_CHANCE = random.SystemRandom()
_HEAD = "$TTL {ttl}\n@ SOA ns. host. 1 3600 600 604800 60\n"
_BIG = "".join(f'big TXT "{number:03} {"x" * 90}"\n' for number in range(40))
OWN = [
    line("mine.test.", "SOA", [SOA]),
    line("mine.test.", "NS", ["ns.mine.test."]),
    line("www.mine.test.", "A", ["192.0.2.80"]),
    line("out.mine.test.", "CNAME", ["alias.example.org."]),
    line("down.mine.test.", "DNAME", ["example.org."]),
    line("gone.mine.test.", "CNAME", ["nothing.example.org."]),
]


class Tree:
    """Root (NSD), org. (Knot) and example.org. (NSD) at .1, .2 and .3 of a network of their own, all at one port."""

    def __init__(self, folder: pathlib.Path, stack: ExitStack) -> None:
        self.network = f"127.{_CHANCE.randrange(10, 250)}.{_CHANCE.randrange(1, 250)}"
        self.port = port = free_port(self.at(1))
        root = _HEAD.format(ttl=3600) + (
            f"@ NS a.root.\na.root. A {self.at(1)}\norg. NS a.nic.org.\na.nic.org. A {self.at(2)}\n"
        )
        org = _HEAD.format(ttl=3600) + (
            f"@ NS a.nic\na.nic A {self.at(2)}\nexample NS ns.example\nns.example A {self.at(3)}\n"
            f"lame NS ns.lame\nns.lame A {self.at(9)}\nsilent NS ns.silent\nns.silent A {self.at(8)}\n"
        )
        example = _HEAD.format(ttl=300) + (
            f"@ NS ns\nns A {self.at(3)}\nwww A 192.0.2.1\nwww AAAA 2001:db8::1\nalias CNAME www\n"
            f"short 1 A 192.0.2.99\nback CNAME www.mine.test.\nWWW.Case A 192.0.2.7\n"
            f"round CNAME about\nabout CNAME round\n{_BIG}"
        )
        child = _HEAD.format(ttl=300) + f"@ NS ns\nns A {self.at(3)}\nwww A 192.0.2.9\n"
        self.root = stack.enter_context(Nsd(folder / "root", {".": root}, host=self.at(1), port=port))
        self.org = stack.enter_context(Knot(folder / "org", {"org.": org}, host=self.at(2), port=port))
        self.leaf = stack.enter_context(
            Nsd(folder / "leaf", {"example.org.": example, "sub.mine.test.": child}, host=self.at(3), port=port)
        )
        self.silent = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        self.silent.bind((self.at(8), port))
        self.hints = folder / "hints.zone"
        self.hints.write_text(f". 3600 NS a.root.\na.root. 3600 A {self.at(1)}\n")

    def at(self, number: int) -> str:
        return f"{self.network}.{number}"

    def settings(self, **more: str) -> dict[str, str]:
        """What streamdns needs to live in this tree."""
        return {
            "DNS_RECURSION_ALLOW": "127.0.0.1", "DNS_ROOT_HINTS": str(self.hints), "DNS_RESOLVER_DENY": "none",
            "DNS_RESOLVER_PORT": str(self.port),
        } | more

    def own(self) -> list[bytes]:
        """Events of a zone of ours with a delegation into the tree."""
        return [*OWN, line("sub.mine.test.", "NS", ["ns.sub.mine.test."]),
                line("ns.sub.mine.test.", "A", [self.at(3)])]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tree]:
    with ExitStack() as stack:
        yield Tree(tmp_path_factory.mktemp("tree"), stack)


@pytest.fixture
def resolver(tree: Tree, serve: Callable[..., Server]) -> Server:
    """A server with a zone of its own that resolves for 127.0.0.1 alone."""
    server = serve(start=False, **tree.settings())
    server.append(tree.own())
    return server.start()


def records(reply: dns.message.Message) -> list[str]:
    return [f"{rrset.name} {rdata.to_text()}" for rrset in reply.answer for rdata in rrset]


def errors(reply: dns.message.Message) -> list[int]:
    return [int(option.code) for option in reply.options if isinstance(option, dns.edns.EDEOption)]


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


def datagram(sock: socket.socket) -> bytes:
    """The next one; nothing where there is none."""
    try:
        return sock.recv(4096)
    except BlockingIOError:
        return b""


def sample(server: Server, name: str) -> float:
    return server.metrics()[f"streamdns_resolver_{name}"]


def test_a_name_is_resolved_and_then_in_the_cache(resolver: Server) -> None:
    reply = resolver.ask("WwW.eXample.org", use_edns=0)
    assert records(reply) == ["WwW.eXample.org. 192.0.2.1"]
    assert reply.flags & (dns.flags.QR | dns.flags.RD | dns.flags.RA | dns.flags.AA | dns.flags.AD) == (
        dns.flags.QR | dns.flags.RD | dns.flags.RA
    )
    assert reply.question[0].name.to_text() == "WwW.eXample.org."
    sent = sample(resolver, 'outgoing_total{transport="udp",result="answered"}')
    again = [resolver.ask("www.example.org"), resolver.ask("WWW.example.ORG", use_edns=0)]
    assert [records(each)[0].lower() for each in again] == ["www.example.org. 192.0.2.1"] * 2
    assert 0 < again[1].answer[0].ttl <= 300
    assert sample(resolver, 'outgoing_total{transport="udp",result="answered"}') == sent
    assert sample(resolver, "hits_total") == 2
    assert sample(resolver, "queries_total") == 3
    assert resolver.status()["resolver"]["cache"]["entries"] > 0


@pytest.mark.parametrize(("name", "rdtype", "rcode"), [
    ("nothing.example.org", "A", dns.rcode.NXDOMAIN),
    ("www.example.org", "TXT", dns.rcode.NOERROR),
    ("nowhere", "A", dns.rcode.NXDOMAIN),
])
def test_negative_answers_have_the_soa(resolver: Server, name: str, rdtype: str, rcode: dns.rcode.Rcode) -> None:
    for _ in range(3):
        reply = resolver.ask(name, rdtype)
        assert (reply.rcode(), reply.answer) == (rcode, [])
        (soa,) = reply.authority
        assert 0 < soa.ttl <= 60


def test_ra_is_for_those_who_may(resolver: Server) -> None:
    """Others are refused, and told apart by RA on our own names, too."""
    assert resolver.ask("www.mine.test").flags & (dns.flags.AA | dns.flags.RA) == dns.flags.AA | dns.flags.RA
    for name, rcode in (("www.example.org", dns.rcode.REFUSED), ("www.mine.test", dns.rcode.NOERROR)):
        query = dns.message.make_query(name, "A", use_edns=0)
        reply = dns.query.udp(query, "127.0.0.1", timeout=5, port=resolver.port, source="127.0.0.7")
        assert (reply.rcode(), reply.flags & dns.flags.RA) == (rcode, 0)
        assert errors(reply) == ([20] if rcode == dns.rcode.REFUSED else [])


def test_without_rd_nothing_is_resolved(resolver: Server) -> None:
    query = dns.message.make_query("www.example.org", "A", flags=0, use_edns=0)
    reply = resolver.udp(query)
    assert (reply.rcode(), errors(reply)) == (dns.rcode.REFUSED, [20])
    assert reply.flags & dns.flags.RA
    query = dns.message.make_query("www.sub.mine.test", "A", flags=0)
    assert resolver.udp(query).authority, "a referral"


def test_tcp_and_truncation(resolver: Server) -> None:
    assert len(resolver.tcp(dns.message.make_query("big.example.org", "TXT")).answer[0]) == 40
    for _ in range(2):
        cut = resolver.ask("big.example.org", "TXT", use_edns=0)
        assert (cut.flags & dns.flags.TC, cut.answer, cut.edns) == (dns.flags.TC, [], 0)
    with Client(resolver.port) as client:
        answers = [client.ask("www.example.org"), client.ask("www.mine.test"), client.ask("alias.example.org")]
        assert [len(reply.answer) for reply in answers if reply] == [1, 1, 2]


def test_a_connection_is_answered_out_of_order(resolver: Server) -> None:
    """What has to wait for a dead server does not keep the others, and is answered though the client is done."""
    with Client(resolver.port) as client:
        client.sock.sendall(framed("x.lame.org", number=1) + framed("www.mine.test", number=2))
        client.sock.shutdown(socket.SHUT_WR)
        first, second = client.read(), client.read()
        assert first is not None
        assert second is not None
        assert [(first.id, first.rcode()), (second.id, second.rcode())] == [
            (2, dns.rcode.NOERROR), (1, dns.rcode.SERVFAIL)
        ]
        assert client.read() is None


@pytest.mark.parametrize(("name", "expected"), [
    ("out.mine.test", ["out.mine.test. alias.example.org.", "alias.example.org. www.example.org.",
                       "www.example.org. 192.0.2.1"]),
    ("www.down.mine.test", ["down.mine.test. example.org.", "www.down.mine.test. www.example.org.",
                            "www.example.org. 192.0.2.1"]),
    ("back.example.org", ["back.example.org. www.mine.test.", "www.mine.test. 192.0.2.80"]),
    ("www.sub.mine.test", ["www.sub.mine.test. 192.0.2.9"]),
])
def test_chains_and_delegations_that_cross_our_zones(resolver: Server, name: str, expected: list[str]) -> None:
    for _ in range(2):
        reply = resolver.ask(name)
        assert (reply.rcode(), records(reply)) == (dns.rcode.NOERROR, expected)


def test_a_chain_from_our_zone_to_a_name_that_is_not_there(resolver: Server) -> None:
    reply = resolver.ask("gone.mine.test")
    assert (reply.rcode(), records(reply)) == (dns.rcode.NXDOMAIN, ["gone.mine.test. nothing.example.org."])


def test_an_apex_that_stands_for_a_foreign_name(tree: Tree, serve: Callable[..., Server]) -> None:
    """Its addresses are our data: also for a client for whom nothing is resolved, and who has to wait for them."""
    server = serve(start=False, **tree.settings(DNS_APEX_CNAME="flatten", DNS_RECURSION_ALLOW="127.0.0.77"))
    server.append([*tree.own(), line("mine.test.", "CNAME", ["alias.example.org."])])
    server.start()
    for ask in (server.udp, server.tcp):
        reply = ask(dns.message.make_query("mine.test", "AAAA", flags=0), timeout_s=20)
        assert records(reply) == ["mine.test. 2001:db8::1"]
        assert reply.flags & (dns.flags.AA | dns.flags.RA) == dns.flags.AA
    assert server.ask("www.example.org").rcode() == dns.rcode.REFUSED
    server.publish("mine.test.", "CNAME", ["www.lame.org."])
    server.wait_applied()
    reply = server.udp(dns.message.make_query("mine.test", "A", use_edns=0), timeout_s=20)
    assert (reply.rcode(), errors(reply)) in ((dns.rcode.SERVFAIL, [22]), (dns.rcode.SERVFAIL, [23]))


def test_our_own_change_is_seen_at_once_in_what_was_resolved(resolver: Server) -> None:
    """Of our own zones nothing is kept, not even at the end of a chain that begins elsewhere."""
    assert records(resolver.ask("back.example.org"))[-1] == "www.mine.test. 192.0.2.80"
    resolver.publish("www.mine.test.", "A", ["192.0.2.81"])
    resolver.wait_applied()
    assert records(resolver.ask("back.example.org"))[-1] == "www.mine.test. 192.0.2.81"
    resolver.publish("example.org.", "SOA", [SOA])
    resolver.publish("www.example.org.", "A", ["192.0.2.82"])
    resolver.wait_applied()
    assert records(resolver.ask("www.example.org")) == ["www.example.org. 192.0.2.82"]


def test_a_dead_server_ends_in_servfail_with_a_reason(resolver: Server) -> None:
    reply = resolver.udp(dns.message.make_query("www.lame.org", "A", use_edns=0), timeout_s=10)
    assert reply.rcode() == dns.rcode.SERVFAIL
    assert errors(reply) in ([22], [23])


def test_stale_answers_while_the_servers_are_away(tree: Tree, serve: Callable[..., Server]) -> None:
    """After a wait that a client bears; and the new answer as soon as they are back."""
    server = serve(**tree.settings())
    assert server.ask("short.example.org").answer[0].ttl == 1
    tree.leaf.stop()
    try:
        wait_until(lambda: errors(server.ask("short.example.org", use_edns=0)) == [3], "a stale answer")
        reply = server.ask("short.example.org", use_edns=0)
        assert (records(reply), reply.answer[0].ttl) == (["short.example.org. 192.0.2.99"], 30)
    finally:
        tree.leaf.start()
    wait_until(lambda: not errors(server.ask("short.example.org", use_edns=0)), "the servers are asked again")
    assert sample(server, "stale_total") >= 2


def test_aliases_in_a_circle(resolver: Server) -> None:
    """It is said why there is no answer, and counted that a question met one of its limits."""
    reply = resolver.ask("round.example.org", use_edns=0)
    assert (reply.rcode(), errors(reply)) == (dns.rcode.SERVFAIL, [0])
    assert [sample(resolver, f'given_up_total{{reason="{each}"}}') for each in ("aliases", "time")] == [1, 0]


def test_limits_of_a_client(tree: Tree, serve: Callable[..., Server]) -> None:
    """Past its limit a client hears so at once; another still gets its turn."""
    server = serve(**tree.settings(DNS_RECURSION_CLIENT_LIMIT="2", DNS_RECURSION_ALLOW="127.0.0.0/30"))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.1", server.port))
        sock.settimeout(20)
        for number in range(5):
            sock.send(dns.message.make_query(f"n{number}.silent.org", "A", id=number, use_edns=0).to_wire())
        early = [dns.message.from_wire(sock.recv(4096)) for _ in range(3)]
        assert sorted(reply.id for reply in early) == [2, 3, 4]
        assert {(reply.rcode(), *errors(reply)) for reply in early} == {(dns.rcode.SERVFAIL, 0)}
        assert server.metrics()['streamdns_resolver_limited_total{limit="client"}'] == 3


def test_the_same_query_is_not_sent_for_each_question(tree: Tree, resolver: Server) -> None:
    """Many names of one zone at once: what all of them have to know first is asked for a few times, not for each."""
    count = 40
    tree.silent.setblocking(False)
    while datagram(tree.silent):
        pass  # What earlier tests have sent there.
    tree.silent.settimeout(20)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.1", resolver.port))
        for number in range(count):
            sock.send(dns.message.make_query(f"x{number}.birthday.silent.org", "A", id=number).to_wire())
        above, whole = 0, set()
        # A server that is silent is shown the whole name after a while, one for each question.
        while len(whole) < count:
            name = dns.message.from_wire(datagram(tree.silent)).question[0].name.to_text().lower()
            if name == "birthday.silent.org.":
                above += 1
            elif name.endswith(".birthday.silent.org."):
                whole.add(name)
    assert 1 <= above < count / 2


def test_forwarding(tree: Tree, serve: Callable[..., Server], resolver: Server) -> None:
    """Everything to another resolver, a zone to a server of its own; addresses of settings are never denied."""
    dead = f"{tree.at(9)}:{tree.port}"
    server = serve(
        DNS_RECURSION_ALLOW="127.0.0.1", DNS_RESOLVER_ADDRESS=f"{dead} 127.0.0.1:{resolver.port}",
        DNS_FORWARD_ZONES=f"sub.mine.test=127.0.0.1:{resolver.port}",
    )
    assert records(server.ask("alias.example.org"))[-1] == "www.example.org. 192.0.2.1"
    assert records(server.ask("www.sub.mine.test")) == ["www.sub.mine.test. 192.0.2.9"]
    assert server.ask("nothing.example.org").rcode() == dns.rcode.NXDOMAIN
    zone, everything = server.status()["resolver"]["forwards"]
    assert (zone["zone"], everything["zone"]) == ("sub.mine.test.", ".")
    by_address = {each["address"]: each for each in everything["servers"]}
    alive = by_address.pop(f"127.0.0.1:{resolver.port}")
    assert (alive["left_alone_seconds"], alive["timeouts_in_a_row"]) == (0.0, 0)
    assert alive["rtt_seconds"] > 0
    assert set(by_address) == {dead}
    # Which of the two is asked first is for chance to say; a question or two later the dead one was.
    wait_until(lambda: server.ask(f"{_CHANCE.random()}.example.org").rcode() == dns.rcode.NXDOMAIN
               and server.status()["resolver"]["forwards"][1]["servers"][0]["left_alone_seconds"] > 0, "seen as dead")


def test_off_is_off(tree: Tree, serve: Callable[..., Server]) -> None:
    """Nobody may: refused as ever, no RA, nothing is sent."""
    server = serve(start=False, DNS_RECURSION_ALLOW="none")
    server.append(tree.own())
    server.start()
    reply = server.ask("www.example.org", use_edns=0)
    assert (reply.rcode(), errors(reply), reply.flags & dns.flags.RA) == (dns.rcode.REFUSED, [20], 0)
    assert not server.ask("www.mine.test").flags & dns.flags.RA
    assert server.ask("www.sub.mine.test").authority
    assert server.status()["resolver"] == {"enabled": False}
    assert server.get("/v1/resolver/cache?name=a.")[0] == 404
    assert all(each["name"] != "resolver" for each in server.status()["services"])


def test_the_roots_are_asked_who_they_are(resolver: Server, tree: Tree) -> None:
    wait_until(lambda: resolver.status()["resolver"]["primed_seconds_ago"] is not None, "primed")
    assert resolver.status()["resolver"]["roots"] == [tree.at(1)]
    assert resolver.get("/v1/resolver")[0] == 200


def test_hints_that_cannot_be_used(tree: Tree, serve: Callable[..., Server], tmp_path: pathlib.Path) -> None:
    server = serve(start=False, **tree.settings(DNS_ROOT_HINTS=str(tmp_path / "nothing")))
    done = server.command("run")
    assert done.returncode == 78
    assert "DNS_ROOT_HINTS" in done.stderr


def test_late_replies_leave_from_the_address_that_was_asked(tree: Tree, serve: Callable[..., Server]) -> None:
    """On all addresses at once, of both families: clients throw away what comes from elsewhere."""
    port = free_port("0.0.0.0")
    server = serve(**tree.settings(DNS_ADDRESS=f":{port}", DNS_RECURSION_ALLOW="127.0.0.0/8 ::1"))
    asked = ["127.0.0.1", "127.0.0.2", "127.9.8.7"] + (["::1"] if has_ipv6() else [])
    for number, address in enumerate(asked):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.settimeout(20)
            sock.sendto(dns.message.make_query(f"late{number}.example.org", "A").to_wire(), (address, port))
            reply, peer = sock.recvfrom(4096)
            assert peer[:2] == (address, port)
            assert dns.message.from_wire(reply).rcode() == dns.rcode.NXDOMAIN
    assert server.metrics()["streamdns_resolver_misses_total"] == len(asked)


def test_check_looks_at_the_hints(tree: Tree, serve: Callable[..., Server], tmp_path: pathlib.Path) -> None:
    (tmp_path / "hints").write_text("nothing\n")
    server = serve(start=False, **tree.settings(DNS_ROOT_HINTS=str(tmp_path / "hints")))
    server.settings |= {"DNS_ADDRESS": "127.0.0.1:0", "DNS_ADMIN_ADDRESS": "off"}
    done = server.command("check")
    assert (done.returncode, "DNS_ROOT_HINTS" in done.stderr) == (78, True), done.stderr
    server.settings["DNS_ROOT_HINTS"] = str(tree.hints)
    assert server.command("check").returncode == 0


def test_the_cache_is_shown_and_flushed(resolver: Server) -> None:
    resolver.ask("www.example.org")
    resolver.ask("nothing.example.org")
    (entry,) = json.loads(resolver.get("/v1/resolver/cache?name=WWW.example.org")[1])["entries"]
    assert (entry["type"], entry["kind"], entry["records"]) == ("A", "records", ["192.0.2.1"])
    (gone,) = json.loads(resolver.get("/v1/resolver/cache?name=nothing.example.org.")[1])["entries"]
    assert gone["kind"] == "no name"
    assert resolver.get("/v1/resolver/cache")[0] == resolver.get("/v1/resolver/cache?name=a..b")[0] == 400
    misses = sample(resolver, "misses_total")
    connection = http.client.HTTPConnection("127.0.0.1", resolver.admin_port, timeout=5)
    connection.request("POST", "/v1/resolver/flush?name=example.org&below=true")
    assert json.loads(connection.getresponse().read())["flushed"] >= 3
    connection.close()
    assert resolver.ask("www.example.org").answer
    assert sample(resolver, "misses_total") == misses + 1


def test_servers_are_listed_and_a_resolution_is_shown_step_by_step(resolver: Server, tree: Tree) -> None:
    """Silent servers come first; a trace begins with what the cache knows, and says whom it asks."""
    assert resolver.answers("www.example.org") == ["192.0.2.1"]
    resolver.ask("www.silent.org", use_edns=0)
    code, body = resolver.get("/v1/resolver/servers?limit=2", timeout_s=30.0)
    assert code == 200, body
    found = json.loads(body)
    assert [each["address"] for each in found["servers"]][:1] == [f"{tree.at(8)}:{tree.port}"]
    assert found["servers"][0]["timeouts_in_a_row"] > 0
    assert len(found["servers"]) == 2 < found["asked"]

    code, body = resolver.get("/v1/resolver/trace?name=alias.example.org&type=A", timeout_s=30.0)
    trace = json.loads(body)
    assert trace["rcode"] == "NOERROR"
    assert "alias.example.org. 300 IN CNAME www.example.org." in trace["answer"]
    asking = f"asking {tree.at(3)}, a server of example.org., for alias.example.org. A"
    assert any(asking in step for step in trace["steps"]), trace["steps"]
    assert trace["queries"] >= 1
    assert resolver.get("/v1/resolver/trace?name=x.org&type=DANCE")[0] == 400
