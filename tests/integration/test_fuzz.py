"""200,000 hostile messages over UDP and TCP: the process lives, nothing failed inside it, its memory stays flat."""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Callable, Iterable
from itertools import islice

import dns.message
import pytest

from tests.harness import Server, event_line
from tests.harness.server import HOST
from tests.unit.dns.packets import ZONE, stream

DATAGRAMS, MESSAGES, WARM_UP = 160_000, 40_000, 20_000
BURST = 64
SEED = os.environ.get("STREAMDNS_FUZZ_SEED", "")
MARGIN_BYTES = 4 << 20
SENTINEL_ID = b"\xfe\xed"


def events() -> list[bytes]:
    """The zone as a file log."""
    rrsets: dict[tuple[str, str], list[str]] = {}
    for text in filter(None, ZONE.splitlines()):
        owner, _, rdtype, content = text.split(maxsplit=3)
        rrsets.setdefault((owner, rdtype), []).append(content)
    lines = []
    for (owner, rdtype), contents in rrsets.items():
        records = [{"name": owner, "type": rdtype, "content": content, "ttl": 300} for content in contents]
        lines.append(event_line(f"{owner}|{rdtype}", records))
    return lines


def sentinel() -> bytes:
    """A query that is certainly answered: when its reply is here, what was sent before it has been read."""
    return dns.message.make_query("www.fuzz.example", "A", id=int.from_bytes(SENTINEL_ID, "big")).to_wire()


def send_datagrams(port: int, packets: Iterable[bytes]) -> int:
    """Send in bursts, each followed by a query whose answer is waited for; the number of replies."""
    replies = 0
    mark = sentinel()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        sock.connect((HOST, port))
        sock.settimeout(5)
        source = iter(packets)
        while burst := list(islice(source, BURST)):
            for packet in burst:
                sock.send(packet)
            sock.send(mark)
            while (reply := sock.recv(65535))[:2] != SENTINEL_ID:
                replies += 1
            assert reply[7] == 1, "the valid query in between was not answered"
    return replies


def send_messages(port: int, packets: Iterable[bytes]) -> int:
    """The same over TCP, with a new connection for each burst; some end in the middle of a message."""
    replies = 0
    mark = sentinel()
    source = iter(packets)
    while burst := list(islice(source, BURST)):
        with socket.create_connection((HOST, port), timeout=10) as sock, sock.makefile("rb") as reader:
            sock.sendall(b"".join([len(packet).to_bytes(2, "big") + packet for packet in [*burst, mark]]))
            while True:
                size = reader.read(2)
                assert size, "the connection ended before the valid query was answered"
                reply = reader.read(int.from_bytes(size, "big"))
                if reply[:2] == SENTINEL_ID:
                    break
                replies += 1
            if replies % 3 == 0:
                sock.sendall(burst[0][:7])
    return replies


@pytest.mark.slow
def test_hostile_messages(serve: Callable[..., Server], say: Callable[[str], None]) -> None:
    """STREAMDNS_FUZZ_SEED asks for a run again."""
    seed = int(SEED) if SEED else random.SystemRandom().randrange(1 << 32)
    rng = random.Random(seed)
    server = serve(start=False, DNS_INSTANCE_ID="fuzzed", DNS_VERSION="true", DNS_UDP_RECEIVE_BUFFER="8M")
    server.append(events())
    server.start()
    assert server.status()["quarantine"] == 0
    packets = (packet for packet in stream(rng, DATAGRAMS + MESSAGES + 2 * WARM_UP) if packet[:2] != SENTINEL_ID)
    send_datagrams(server.port, islice(packets, WARM_UP))
    send_messages(server.port, islice(packets, WARM_UP))
    before = server.rss_anon_bytes()
    udp = send_datagrams(server.port, islice(packets, DATAGRAMS))
    tcp = send_messages(server.port, packets)
    grown = server.rss_anon_bytes() - before
    metrics = server.metrics()
    say(f"seed {seed}: {udp} of {DATAGRAMS} datagrams and {tcp} of {MESSAGES} messages answered, "
        f"memory {before >> 10} KiB {grown >> 10:+} KiB")
    assert server.alive
    assert metrics["streamdns_dns_exceptions_total"] == 0
    assert udp > DATAGRAMS // 2
    assert tcp > MESSAGES // 2
    assert grown < MARGIN_BYTES
    assert server.answers("www.fuzz.example") == ["192.0.2.80"]
