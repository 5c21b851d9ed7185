"""The DNS service as clients meet it: addresses, truncation, options, and what dig and kdig read."""

from __future__ import annotations

import signal
import socket
import subprocess
import threading
from collections.abc import Callable

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdataclass
import pytest

from streamdns.serving.compiled import not_compiled
from tests.harness import Server, free_port, wait_until
from tests.harness.server import HOST
from tests.integration.clients import BIG, PATIENCE_S, Client

# -- addresses


def has_ipv6() -> bool:
    """Whether ::1 can be bound."""
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "in Python alone"])
def test_all_addresses_answer_from_the_one_that_was_asked(start: Callable[..., Server], compiled: bool) -> None:
    """`:port` means every address; a reply from another address than the one asked is thrown away by clients.

    It is told once, at the start, what of it is not compiled.
    """
    port = free_port("0.0.0.0")
    server = start(run=False, DNS_ADDRESS=f":{port}")
    server.compiled = compiled
    server.start()
    assert server.written().count("app.not_compiled") == bool(not_compiled() or not compiled)
    asked = [HOST, "127.0.0.2", "127.9.8.7"] + (["::1"] if has_ipv6() else [])
    wire = dns.message.make_query("www.example.org", "A").to_wire()
    for address in asked:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.settimeout(PATIENCE_S)
            for _ in range(3):
                sock.sendto(wire, (address, port))
                reply, peer = sock.recvfrom(4096)
                assert peer[:2] == (address, port)
                assert dns.message.from_wire(reply).answer
        with Client(port, address) as client:
            assert client.ask() is not None


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
def test_a_port_in_use_is_tried_again(start: Callable[..., Server], kind: socket.SocketKind) -> None:
    """One sentence names the address and says that it is in use; when it is free, queries to it are answered."""
    with socket.socket(socket.AF_INET, kind) as taken:
        if kind == socket.SOCK_DGRAM:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind((HOST, 0))
        if kind == socket.SOCK_STREAM:
            taken.listen()
        port = taken.getsockname()[1]
        server = start(run=False, DNS_ADDRESS=f"{HOST}:{port}")
        server.start(wait=False)
        wait_until(lambda: "service.waiting" in server.written(), "it waits for the port")
        (said,) = [line for line in server.written().splitlines() if "service.waiting" in line][:1]
        assert f"{HOST}:{port}" in said
        assert "in use" in said
        assert server.alive
    server.port = port
    query = dns.message.make_query("www.example.org", "A")

    def answered() -> bool:
        try:
            return bool((server.udp if kind == socket.SOCK_DGRAM else server.tcp)(query, timeout_s=1).answer)
        except (OSError, dns.exception.Timeout):
            return False

    wait_until(answered, "it has the port")


def test_only_one_transport(start: Callable[..., Server]) -> None:
    """DNS_UDP and DNS_TCP switch each off."""
    server = start(DNS_TCP="false")
    assert server.ask("www.example.org").answer
    with pytest.raises(ConnectionRefusedError):
        Client(server.port)


# -- messages


def test_what_does_not_fit_comes_over_tcp(start: Callable[..., Server]) -> None:
    """TC, then the whole answer."""
    server = start()
    query = dns.message.make_query("big.example.org", "TXT", use_edns=0, payload=1232)
    cut = server.udp(query)
    assert cut.flags & dns.flags.TC
    assert not cut.answer
    reply, over_tcp = dns.query.udp_with_fallback(query, HOST, timeout=PATIENCE_S, port=server.port)
    assert over_tcp
    assert sorted(rdata.to_text() for rdata in reply.answer[0]) == BIG


def test_the_case_of_the_question_is_kept(start: Callable[..., Server]) -> None:
    """0x20, in the question and in the owner that points to it, for answers of all kinds."""
    server = start()
    for name in ("wWw.ExAmPlE.oRg.", "NOTHING.example.ORG.", "X.wILD.example.org.", "aLiaS.EXAMPLE.org."):
        for ask in (server.udp, server.tcp):
            reply = ask(dns.message.make_query(name, "TXT"))
            assert reply.question[0].name.to_text() == name
            assert not reply.answer or reply.answer[0].name.to_text() == name


def test_options(start: Callable[..., Server]) -> None:
    """NSID, cookies that the next query may show, keepalive over TCP only, the server's own name."""
    server = start(DNS_INSTANCE_ID="node-7", DNS_TCP_IDLE_TIMEOUT="12")
    wanted = [dns.edns.GenericOption(code, data) for code, data in ((3, b""), (10, b"01234567"), (11, b""))]
    query = dns.message.make_query("www.example.org", "A", use_edns=0, options=wanted)
    found = {int(option.otype): option.to_wire() for option in server.udp(query).options}
    assert sorted(found) == [3, 10]
    assert found[3] == b"node-7"
    cookie = found[10]
    assert isinstance(cookie, bytes)
    again = dns.message.make_query("www.example.org", "A", options=[dns.edns.GenericOption(10, cookie)])
    assert [option.to_wire() for option in server.udp(again).options] == [cookie]
    assert {int(option.otype): option.to_wire() for option in server.tcp(query).options}[11] == (120).to_bytes(2, "big")
    chaos = dns.message.make_query("id.server", "TXT", rdclass=dns.rdataclass.CH)
    assert server.udp(chaos).answer[0][0].to_text() == '"node-7"'
    assert server.ask("far.invalid", use_edns=0).rcode() == dns.rcode.REFUSED


@pytest.mark.parametrize("name", ["id.server", "hostname.bind"])
def test_the_host_name_is_told_to_nobody_who_did_not_ask_for_it_to_be(start: Callable[..., Server], name: str) -> None:
    """DNS_INSTANCE_ID is the host name unless it is set."""
    server = start()
    chaos = dns.message.make_query(name, "TXT", rdclass=dns.rdataclass.CH)
    for reply in (server.udp(chaos), server.tcp(chaos)):
        assert (reply.rcode(), reply.answer) == (dns.rcode.REFUSED, [])
    nsid = dns.message.make_query("www.example.org", "A", use_edns=0, options=[dns.edns.GenericOption(3, b"")])
    assert server.udp(nsid).options == ()
    assert socket.gethostname() in server.status()["instance"]


@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "in Python alone"])
def test_queries_in_flight_when_it_is_stopped(start: Callable[..., Server], compiled: bool) -> None:
    """SIGTERM under load: exit 0, and no part of it that has to be given up."""
    server = start(run=False)
    server.compiled = compiled
    server.start()
    wire = dns.message.make_query("www.example.org", "A").to_wire()
    stop = threading.Event()

    def load() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            while not stop.is_set():
                sock.sendto(wire, (HOST, server.port))

    thread = threading.Thread(target=load)
    with Client(server.port) as client:
        assert client.ask() is not None
        thread.start()
        try:
            server.signal(signal.SIGTERM)
            assert server.process is not None
            assert server.process.wait(PATIENCE_S) == 0
        finally:
            stop.set()
            thread.join()
    assert "service.stop_timeout" not in server.written()


def said(tool: str, server: Server, *question: str) -> list[list[str]]:
    """The records of each section that a command shows, its spacing evened out, sorted."""
    done = subprocess.run(
        [tool, f"@{HOST}", "-p", str(server.port), "+norec", *question],
        capture_output=True, text=True, timeout=60, check=True,
    )
    sections = ("ANSWER", "AUTHORITY", "ADDITIONAL")
    current = ""
    found: dict[str, list[str]] = {section: [] for section in sections}
    for text in done.stdout.splitlines():
        if text.startswith(";;"):
            current = next((section for section in sections if f" {section} SECTION" in text), "")
        elif text and not text.startswith(";") and current:
            found[current].append(" ".join(text.split()))
    return [sorted(found[section]) for section in sections]


@pytest.mark.peers("dig", "kdig")
def test_dig_and_kdig_read_the_same(start: Callable[..., Server]) -> None:
    """Two independent readers see one answer, over UDP and TCP."""
    server = start()
    asked = [
        ("www.example.org", "A"), ("alias.example.org", "A"), ("example.org", "MX"), ("example.org", "SOA"),
        ("x.wild.example.org", "TXT"), ("nothing.example.org", "A"), ("x.sub.example.org", "A"),
        ("big.example.org", "TXT"),
    ]
    for name, rdtype in asked:
        for more in ((), ("+tcp",)):
            by_dig = said("dig", server, name, rdtype, *more)
            assert by_dig == said("kdig", server, name, rdtype, *more), name
            assert any(by_dig)
    assert said("dig", server, "www.example.org", "A")[0] == [
        "www.example.org. 300 IN A 192.0.2.80", "www.example.org. 300 IN A 192.0.2.81",
    ]


def test_the_zone_of_this_file_is_right(start: Callable[..., Server]) -> None:
    """None of the events above was rejected."""
    server = start()
    server.wait_applied()
    assert server.status()["quarantine"] == 0
