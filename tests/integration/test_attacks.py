"""Each attack of tests/attacks against a running server: UDP is answered beside it, and memory stays small.

What is measured is the processor time that the server takes between a datagram and its answer, which does not depend on
what else the machine does; `python -m benchmarks hardening` shows the time by the clock, beside other servers.
Connections over TCP have a test of their own (test_tcp_fairness.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from tests.attacks import ADMIN, LOG, ZONE
from tests.attacks.probe import Looks, Probe
from tests.attacks.processor_time import processor_ns
from tests.attacks.running import Running
from tests.attacks.zone import events, query
from tests.harness import Server, wait_until

#: The most that may be done for others before a datagram is answered, and the most that may be held.
MOST_MS = 30.0
MOST_OCTETS = 250 << 20
SECONDS = 1.5
LEAST_LOOKS = 5
#: A datagram may cost so many times what a plain one does, with all that is done once a batch.
MOST_TIMES = 10.0
#: What test_tcp_fairness.py does, longer and with more connections.
ELSEWHERE = ("tcp_alias", "tcp_large", "tcp_plain", "tcp_options", "tcp_dnames", "tcp_idle")


def is_flood(name: str) -> bool:
    """Whether an attack is many datagrams: they wait in one line with those of others, whoever serves them."""
    return name.startswith("udp_") or name == "amplification"


@pytest.fixture
def attacked(serve: Callable[..., Server]) -> Server:
    """A server with the zone that is attacked."""
    server = serve(start=False)
    server.append(events())
    server.start()
    server.wait_applied()
    return server


@pytest.fixture
def probe(attacked: Server) -> Iterator[Probe]:
    """One who asks for a name of the zone, and looks at the server meanwhile."""
    with Probe(attacked.port, query=query("www.example.org"), shows=b"\xc0\0\2\x50", threads=[attacked.pid],
               processes=[attacked.pid]) as made:
        yield made


def worst(looks: Looks) -> float:
    """The most processor time before an answer, where enough was seen to say so."""
    assert not looks.lost
    assert not looks.wrong
    assert len(looks.cpu_ms) >= LEAST_LOOKS
    return max(looks.cpu_ms)


@pytest.mark.slow
@pytest.mark.parametrize("names", [
    [name for name in ZONE if name not in ELSEWHERE and not is_flood(name)], ADMIN, LOG,
], ids=["zone", "admin", "log"])
def test_udp_is_answered_beside_it(
    attacked: Server, probe: Probe, say: Callable[[str], None], names: tuple[str, ...]
) -> None:
    """One attack after the other, on a server that has had those before."""
    alone = worst(probe.look(most=200, until_s=time.monotonic() + 20))
    failed = []
    for name in names:
        with Running(name, *arguments(attacked), seconds=SECONDS) as attack:
            beside = probe.look(most=100_000, until_s=time.monotonic() + SECONDS, pause_s=0.001)
        say(f"{name}: {max(beside.cpu_ms, default=-1):.2f} ms of processor time before an answer "
            f"(alone {alone:.2f}), {beside.lost} lost, {beside.resident_bytes >> 20} MiB, {attack.counted}")
        try:
            assert sum(attack.counted.values()), "the attack did nothing"
            assert worst(beside) <= max(MOST_MS, 5 * alone)
            assert beside.resident_bytes <= MOST_OCTETS
        except AssertionError as error:
            failed.append(f"{name}: {error}")
        wait_until(lambda: attacked.get("/health")[0] == 200, "healthy")
    assert not failed
    assert attacked.metrics()["streamdns_dns_exceptions_total"] == 0


@pytest.mark.slow
def test_no_datagram_costs_many_times_another(attacked: Server, say: Callable[[str], None]) -> None:
    """What a flood of datagrams costs goes by their number: of each kind one costs what a few plain ones do."""
    costs = {}
    for name in filter(is_flood, ZONE):
        answered, began = sum_of_queries(attacked), processor_ns([attacked.pid])
        with Running(name, *arguments(attacked), seconds=SECONDS):
            pass
        number = sum_of_queries(attacked) - answered
        assert number > 500, f"{name} came to nothing"
        costs[name] = (processor_ns([attacked.pid]) - began) / 1000 / number
    say(", ".join(f"{name} {us:.0f} us" for name, us in costs.items()))
    assert not {name: us for name, us in costs.items() if us > MOST_TIMES * costs["udp_plain"]}
    assert attacked.metrics()["streamdns_dns_exceptions_total"] == 0


def arguments(server: Server) -> tuple[str, ...]:
    """Where an attack finds the server."""
    return f"--port={server.port}", f"--admin-port={server.admin_port}", f"--log={server.log}"


def sum_of_queries(server: Server) -> float:
    """How many messages were answered over UDP so far."""
    return sum(value for name, value in server.metrics().items()
               if name.startswith("streamdns_dns_queries_total{") and 'transport="udp"' in name)
