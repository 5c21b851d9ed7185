"""A zone and rounds of questions for tests of metrics: what is asked is what has to be shown."""

from __future__ import annotations

from collections.abc import Callable

import dns.message
import dns.rcode

from tests.harness import Server

ZONE = [
    ("example.org", "SOA", "ns.example.org. host.example.org. 1 3600 600 604800 60"),
    ("example.org", "NS", "ns.example.org."),
    ("www.example.org", "A", "192.0.2.80"),
]
#: What one round of questions is: how many, over what, for what, and what the answer says.
ROUND = (
    (7, "udp", "www.example.org", "A", "NOERROR"), (5, "udp", "none.example.org", "A", "NXDOMAIN"),
    (3, "udp", "www.example.org", "MX", "NOERROR"), (4, "tcp", "www.example.org", "A", "NOERROR"),
    (2, "udp", "www.elsewhere.test", "AAAA", "REFUSED"),
)
#: How many of a round go over each transport.
ASKED = {each: sum(number for number, transport, *_ in ROUND if transport == each) for each in ("udp", "tcp")}


def served(serve: Callable[..., Server], **env: str) -> Server:
    """A server with a zone, which flushes three times a second: datagrams that nobody reads in time are lost."""
    server = serve(start=False, **{"DNS_ZONES": "example.org", "DNS_METRICS_FLUSH_INTERVAL": "330"} | env)
    for owner, rdtype, content in ZONE:
        server.publish(owner, rdtype, [content])
    return server.start()


def ask(server: Server) -> None:
    """One round."""
    for number, transport, name, rdtype, rcode in ROUND:
        for _ in range(number):
            query = dns.message.make_query(name, rdtype)
            reply = server.udp(query) if transport == "udp" else server.tcp(query)
            assert dns.rcode.to_text(reply.rcode()) == rcode
