"""Records of this instance's own win over the log, also over an alias, and a reload swaps them in one step."""

from __future__ import annotations

from collections.abc import Callable

import dns.rcode
import pytest

from tests.harness import Server

ALIAS = "www.example.org. 60 IN A 192.0.2.99"


def asked(server: Server, rdtype: str) -> tuple[str, list[str]]:
    reply = server.ask("www.example.org", rdtype)
    return dns.rcode.to_text(reply.rcode()), [str(rdata) for rrset in reply.answer for rdata in rrset]


@pytest.fixture
def zone(serve: Callable[..., Server]) -> Callable[..., Server]:
    """A function that starts a server with a zone in which www is an alias."""

    def make(**env: str) -> Server:
        server = serve(start=False, **env)
        server.publish("example.org.", "SOA", ["ns.example.org. host.example.org. 1 2 3 4 300"])
        server.publish("example.org.", "NS", ["ns.example.org."])
        server.publish("lb.example.org.", "A", ["192.0.2.1"])
        server.publish("lb.example.org.", "AAAA", ["2001:db8::1"])
        server.publish("www.example.org.", "CNAME", ["lb.example.org."])
        server.publish("www.example.org.", "TXT", ['"hidden"'])
        server.start()
        server.wait_applied()
        return server

    return make


def test_a_local_address_wins_over_an_alias_of_the_log(zone: Callable[..., Server]) -> None:
    plain = zone()
    assert asked(plain, "A") == ("NOERROR", ["lb.example.org.", "192.0.2.1"])
    server = zone(DNS_LOCAL_RECORDS=ALIAS)
    assert asked(server, "A") == ("NOERROR", ["192.0.2.99"])
    for rdtype, answer in (("AAAA", []), ("CNAME", []), ("ANY", ["192.0.2.99"]), ("TXT", ['"hidden"'])):
        assert asked(server, rdtype) == ("NOERROR", answer), rdtype
    assert server.status()["digest"] == plain.status()["digest"], "it is no part of the log"
    listed = server.command("conflicts").stdout
    assert "records of this instance's own hide the CNAME of the log" in listed
    server.publish("www.example.org.", "CNAME", None)
    server.wait_applied()
    assert asked(server, "A") == ("NOERROR", ["192.0.2.99"])
    assert "no conflicts" in server.command("conflicts").stderr


def test_a_local_alias_hides_what_the_log_has(zone: Callable[..., Server]) -> None:
    server = zone(DNS_LOCAL_RECORDS="lb.example.org. 60 IN CNAME other.example.")
    assert asked(server, "A") == ("NOERROR", ["lb.example.org.", "other.example."])


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("two. 60 IN CNAME a.\ntwo. 60 IN CNAME b.", "2 CNAME records where only one may be"),
        ("dn. 60 IN DNAME a.\ndn. 60 IN DNAME b.", "2 DNAME records where only one may be"),
        ("z. 60 IN SOA a. b. 1 2 3 4 5\nz. 60 IN SOA a. b. 2 2 3 4 5", "2 SOA records where only one may be"),
        ("m. 60 IN MB \\# 4 deadbeef", "compressed"),
    ],
)
def test_check_judges_local_records_as_those_of_the_log(serve: Callable[..., Server], lines: str, said: str) -> None:
    done = serve(start=False, DNS_LOCAL_RECORDS=lines).command("check")
    assert done.returncode == 78
    assert said in done.stderr
