"""Attacks on the resolver by hostile name servers, in a network of their own: others are served, victims left alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from benchmarks import tree
from benchmarks.hardening import GoodClient, victim_packets
from tests.attacks import RESOLVER, hostile
from tests.attacks.probe import Probe
from tests.attacks.running import Running, hostile_servers
from tests.attacks.zone import events, query
from tests.harness import Server
from tests.integration.test_attacks import MOST_MS, MOST_OCTETS, worst

SECONDS = 4.0
#: What one question may send to a victim by delegations within delegations (NXNSAttack).
MOST_TO_VICTIM = 12
#: Of the names that are there, so many are resolved beside an attack.
LEAST_GOOD = 0.9

pytestmark = [pytest.mark.root, pytest.mark.slow]


@pytest.fixture
def hostile_network() -> Iterator[None]:
    """Root, example., honest and hostile zones at port 53."""
    with ExitStack() as stack:
        stack.enter_context(tree.network())
        stack.enter_context(hostile_servers())
        yield


def attacking(name: str, server: Server) -> Running:
    """The attack, at a rate that fills all places."""
    rate = ("--rate=200",) if name == "silent_servers" else ()
    return Running(name, f"--port={server.port}", *rate, seconds=SECONDS)


@pytest.mark.parametrize("name", RESOLVER)
def test_others_are_served(
    hostile_network: None, serve: Callable[..., Server], say: Callable[[str], None], name: str
) -> None:
    # Few places and few questions, so that places are what is short, and not the processor of a busy machine.
    server = serve(start=False, DNS_RECURSION_ALLOW="127.0.0.0/8", DNS_RESOLVER_DENY="none",
                   DNS_RECURSION_LIMIT="300", DNS_RECURSION_CLIENT_LIMIT="100")
    hints = server.folder / "hints.zone"
    hints.write_text(hostile.HINTS)
    server.settings["DNS_ROOT_HINTS"] = str(hints)
    server.append(events())
    server.start()
    server.wait_applied()
    with Probe(server.port, query=query("www.example.org"), shows=b"\xc0\0\2\x50", threads=[server.pid],
               processes=[server.pid]) as probe:
        alone = worst(probe.look(most=200, until_s=time.monotonic() + 20))
        before = victim_packets()
        with GoodClient(server.port) as good, attacking(name, server) as attack:
            beside = probe.look(most=100_000, until_s=time.monotonic() + SECONDS, pause_s=0.001)
        answered, asked = good.answered()
        to_victim = (victim_packets() - before) / max(1, attack.counted["sent"])
    say(f"{name}: {worst(beside):.2f} ms of processor time before an answer (alone {alone:.2f}), "
        f"{beside.resident_bytes >> 20} MiB, {answered} of {asked} others resolved "
        f"{dict(good.codes)}, "
        f"{to_victim:.1f} to the victim a question")
    assert worst(beside) <= max(MOST_MS, 5 * alone)
    assert beside.resident_bytes <= MOST_OCTETS
    assert answered >= LEAST_GOOD * asked
    assert to_victim <= MOST_TO_VICTIM
    assert server.metrics()["streamdns_dns_exceptions_total"] == 0
