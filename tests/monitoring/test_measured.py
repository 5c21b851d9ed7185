"""What is measured, by the figures of a real process after something was caused."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable

import dns.flags
import dns.message
import dns.query
import pytest

from tests.harness import Server, free_port, wait_until
from tests.harness.server import HOST, event_line
from tests.integration.clients import BIG, Client, unreadable
from tests.monitoring.asking import ASKED, ROUND, ask, served


def figure(server: Server, name: str, **labels: str) -> float:
    """One figure of /metrics."""
    inside = ",".join(f'{key}="{value}"' for key, value in labels.items())
    return server.metrics()[f"streamdns_{name}" + (f"{{{inside}}}" if inside else "")]


def test_of_the_dns_engine(serve: Callable[..., Server]) -> None:
    """Queries by transport, type and rcode, bytes, truncation, drops, connections and latency are exactly those."""
    server = served(serve)
    server.publish("big.example.org", "TXT", BIG)
    server.wait_applied()
    ask(server)
    for number, transport, _, rdtype, rcode in ROUND:
        assert figure(server, "dns_queries_total", transport=transport, qtype=rdtype, rcode=rcode) == number
    for transport, number in ASKED.items():
        assert figure(server, "dns_latency_seconds_count", transport=transport) == number
    before = server.metrics()
    query = dns.message.make_query("big.example.org", "TXT").to_wire()
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.settimeout(20)
        sock.connect((HOST, server.port))
        sock.send(query)
        reply = sock.recv(65536)
        sock.send(query[:2] + b"\x80" + query[3:])  # A response is no query: it gets no answer.
        sock.send(query)
        sock.recv(65536)
    assert dns.message.from_wire(reply, ignore_trailing=True).flags & dns.flags.TC
    after = server.metrics()

    def grown(name: str, **labels: str) -> float:
        inside = ",".join(f'{key}="{value}"' for key, value in labels.items())
        return after[f"streamdns_{name}{{{inside}}}"] - before[f"streamdns_{name}{{{inside}}}"]

    assert grown("dns_truncated_total", transport="udp") == 2
    assert grown("dns_bytes_in_total", transport="udp") == 3 * len(query)
    assert grown("dns_bytes_out_total", transport="udp") == 2 * len(reply)
    assert grown("dns_dropped_total", reason="not a query") == 1
    accepted = figure(server, "dns_tcp_accepted_total")
    assert accepted == ASKED["tcp"]
    with Client(server.port), Client(server.port):
        wait_until(lambda: figure(server, "dns_tcp_connections") == 2, "two connections are open")
        assert figure(server, "dns_tcp_accepted_total") == accepted + 2
    wait_until(lambda: figure(server, "dns_tcp_connections") == 0, "they are closed")


def test_of_queries_that_wait(serve: Callable[..., Server]) -> None:
    """In flight is what was asked of the resolver and is not answered yet."""
    with socket.socket(type=socket.SOCK_DGRAM) as silent:
        silent.bind((HOST, 0))
        server = serve(
            DNS_RECURSION_ALLOW=HOST, DNS_RESOLVER_ADDRESS=f"{HOST}:{silent.getsockname()[1]}", DNS_ZONES="example.org"
        )
        assert figure(server, "dns_in_flight") == 0
        with socket.socket(type=socket.SOCK_DGRAM) as asker:
            for number in range(3):
                query = dns.message.make_query(f"n{number}.elsewhere.com", "A").to_wire()
                asker.sendto(query, (HOST, server.port))
            wait_until(lambda: figure(server, "dns_in_flight") == 3, "three queries wait")
            asker.settimeout(60)
            for _ in range(3):
                asker.recv(65536)
        wait_until(lambda: figure(server, "dns_in_flight") == 0, "all are answered")


REJECTED = {
    "key": [event_line("no separator", []), event_line(None, [])],
    "json": [event_line("json.example.org.|A", "[")],
    "field": [event_line("field.example.org.|A", [{"name": "field.example.org.", "type": "A"}])],
    "content": [
        event_line("c.example.org.|A", [{"name": "c.example.org.", "type": "A", "content": "192.0.2.256", "ttl": 1}])
    ],
    "size": [event_line("size.example.org.|TXT", "x" * ((1 << 20) + 1))],
    "entry": [b"this is no JSON\n", b'{"key": "x.example.org.|A", "timestamp": -1}\n'],
}


def test_of_the_consumer(serve: Callable[..., Server]) -> None:
    """Events applied, deletes, rejected ones by reason, commits, lag and state."""
    server = served(serve)
    applied = figure(server, "consumer_applied_total")
    assert applied == 3
    for lines in REJECTED.values():
        server.append(lines)
    server.publish("www.example.org", "A", None)
    server.publish("new.example.org", "A", ["192.0.2.1"])
    server.wait_applied()
    assert figure(server, "consumer_applied_total") == applied + 2
    assert figure(server, "consumer_deletes_total") == 1
    for reason, lines in REJECTED.items():
        assert figure(server, "consumer_rejected_total", reason=reason) == len(lines), reason
    assert figure(server, "view_quarantined") == sum(map(len, REJECTED.values()))
    wait_until(lambda: figure(server, "consumer_state", state="following") == 1, "it follows")
    shown = server.metrics()
    states = [value for name, value in shown.items() if name.startswith("streamdns_consumer_state{")]
    assert sorted(states) == [0, 0, 0, 0, 0, 0, 1]
    assert shown["streamdns_consumer_lag_events"] == shown["streamdns_consumer_lag_seconds"] == 0
    assert shown["streamdns_consumer_apply_seconds_count"] == shown["streamdns_view_commits_total"] > 0
    assert shown["streamdns_consumer_stale"] == 0
    assert shown["streamdns_process_ready"] == 1


def test_of_a_log_that_was_replaced(serve: Callable[..., Server]) -> None:
    """The alarm is counted, and the rebuild; which is held, for nothing is left."""
    server = served(serve)
    server.wait_applied()
    server.log.write_bytes(event_line("other.example.org.|A", None, 1))
    wait_until(
        lambda: figure(server, "consumer_alarms_total", reason="log-replaced") == 1, "the alarm is counted"
    )
    wait_until(lambda: figure(server, "consumer_rebuilds_total") == 1, "a rebuild began")
    wait_until(lambda: figure(server, "consumer_held") == 1, "it is held")
    assert figure(server, "consumer_alarms_total", reason="held") == 1


def test_of_a_log_that_is_out_of_reach(serve: Callable[..., Server]) -> None:
    """Reconnects, state, staleness and readiness."""
    server = serve(partitions=1, DNS_STALE_AFTER="1")
    with unreadable(server):
        wait_until(lambda: figure(server, "consumer_state", state="reconnecting") == 1, "the log is missed")
        wait_until(lambda: figure(server, "consumer_stale") == 1, "answers are stale")
        assert figure(server, "process_ready") == 0
        assert figure(server, "consumer_reconnects_total") >= 1
    wait_until(lambda: figure(server, "process_ready") == 1, "it is back")
    assert figure(server, "consumer_stale") == 0


def bucket(server: Server, name: str, le: str) -> float:
    return figure(server, f"propagation_{name}_seconds_bucket", source="file", le=le)


def test_of_propagation(serve: Callable[..., Server]) -> None:
    """From an event's timestamp to the commit and to the first answer; skew apart; a first fill not at all."""
    server = served(serve)
    server.wait_applied()
    assert bucket(server, "committed", "+Inf") == bucket(server, "answered", "+Inf") == 0
    assert figure(server, "propagation_skewed_total", source="file") == 0
    now_ms = int(time.time() * 1000)
    server.publish("a.example.org", "A", ["192.0.2.1"], timestamp=now_ms - 7_000)
    server.publish("b.example.org", "A", ["192.0.2.1"], timestamp=now_ms + 3_600_000)
    server.wait_applied()
    assert bucket(server, "committed", "5.0") == 0
    assert bucket(server, "committed", "30.0") == bucket(server, "committed", "+Inf") == 1
    assert figure(server, "propagation_skewed_total", source="file") == 1
    assert bucket(server, "answered", "+Inf") == 0
    assert server.answers("a.example.org") == ["192.0.2.1"]
    assert bucket(server, "answered", "5.0") == 0
    assert bucket(server, "answered", "+Inf") == 1
    server.publish("c.example.org", "A", ["192.0.2.1"])
    server.wait_applied()
    dns.query.tcp(dns.message.make_query("c.example.org", "A"), HOST, port=server.port, timeout=20)
    assert bucket(server, "answered", "+Inf") == 2
    assert bucket(server, "committed", "+Inf") == 2
    committed = figure(server, "propagation_committed_seconds_sum", source="file")
    assert figure(server, "propagation_answered_seconds_sum", source="file") > committed > 7


def test_of_propagation_while_nobody_was_there(serve: Callable[..., Server]) -> None:
    """What was written while the process was down is as late as it is: answers went without it."""
    server = served(serve)
    server.wait_applied()
    assert server.stop() == 0
    server.publish("a.example.org", "A", ["192.0.2.1"], timestamp=int(time.time() * 1000) - 50_000)
    server.start()
    server.wait_applied()
    assert (bucket(server, "committed", "30.0"), bucket(server, "committed", "300.0")) == (0, 1)


def test_of_the_view_and_the_process(serve: Callable[..., Server]) -> None:
    """Sizes, counts, CPU, memory, descriptors and how late the loop turns."""
    server = served(serve, DNS_VIEW_MAX_BYTES=str(1 << 28))
    server.wait_applied()
    ask(server)
    shown = server.metrics()
    view = {name: shown[f"streamdns_view_{name}"] for name in ("zones", "nodes", "rrsets", "records", "conflicts")}
    assert view == {"zones": 1, "nodes": 2, "rrsets": 3, "records": 3, "conflicts": 0}
    assert shown["streamdns_view_max_bytes"] == 1 << 28
    assert 0 < shown["streamdns_view_size_bytes"] <= shown["streamdns_view_map_bytes"] <= 1 << 28
    assert shown["streamdns_view_free_bytes"] > 0
    assert 0 < shown["streamdns_process_cpu_seconds_total"] < 60
    assert shown["streamdns_process_resident_bytes"] > 1 << 20
    assert shown["streamdns_process_descriptors"] > 5
    wait_until(lambda: figure(server, "process_hub_late_seconds_count") > 10, "the loop's lateness is looked at")
    wait_until(lambda: figure(server, "process_hub_late_max_seconds") > 0, "the most of it is shown")
    most = figure(server, "process_hub_late_max_seconds")
    assert most <= figure(server, "process_hub_late_seconds_sum")


@pytest.mark.parametrize("outputs", ["stdout"])
def test_lines_on_standard_output(serve: Callable[..., Server], outputs: str) -> None:
    """One JSON object a line, between the lines of the log; deltas add up to what was caused."""
    server = served(serve, DNS_METRICS_OUTPUTS=outputs, DNS_METRICS_ADDRESS=f"{HOST}:{free_port()}")
    ask(server)
    assert server.stop() == 0
    found = [json.loads(line) for line in server.written(at_most=1 << 24).splitlines() if line.startswith("{")]
    for number, transport, _, rdtype, rcode in ROUND:
        labels = {"transport": transport, "qtype": rdtype, "rcode": rcode}
        deltas = [each["delta"] for each in found if each["metric"] == "dns.queries" and each["labels"] == labels]
        assert sum(deltas) == number
