"""The name servers that the admin API shows of the resolver: those first that somebody has to look at."""

from __future__ import annotations

import random

from streamdns.admin.resolver import ResolverAdmin
from streamdns.metrics.registry import Registry
from streamdns.resolver.resolution.cache import Cache
from streamdns.resolver.resolution.question import Knowledge
from streamdns.resolver.resolution.ready_answers import Messages
from streamdns.resolver.resolution.servers import Address, Servers
from streamdns.resolver.service.recursor import Recursor
from streamdns.resolver.transport.transport import Transport

_NOW_S = 1000.0
_ZONE = b"\4evil\0"


def test_those_that_cost_too_much_come_first() -> None:
    """What reading their replies took is shown with them, as are those that do not answer, and the slow."""
    rng, registry = random.Random(1), Registry()
    known = Knowledge(Cache(1 << 20), Servers(rng), (Address("192.0.2.9"),), rng)
    recursor = Recursor(known, Transport(registry), messages=Messages(1 << 20), registry=registry, limit=10,
                        client_limit=10, clock=lambda: _NOW_S)
    dead, quick, slow, costly, hostile = (Address(f"192.0.2.{number}") for number in range(1, 6))
    for address, rtt_s in ((dead, 0.01), (quick, 0.01), (slow, 0.3), (costly, 0.01), (hostile, 0.01)):
        known.servers.answered(address, rtt_s)
    for _ in range(3):
        known.servers.timed_out(dead, _NOW_S)
    known.costs.charge(costly, _ZONE, 22_000, _NOW_S)
    known.costs.charge(hostile, _ZONE, 302_000, _NOW_S)
    found = ResolverAdmin(recursor).servers(50)
    assert [each.address.split(":")[0] for each in found.servers] == [
        each.host for each in (hostile, costly, dead, slow, quick)
    ]
    assert [(each.cpu_owed_seconds, each.left_alone_seconds > 0) for each in found.servers] == [
        (0.3, True), (0.02, False), (0.0, True), (0.0, False), (0.0, False),
    ]
    assert found.servers[0].left_alone_seconds == 10.0
    assert [each.address for each in ResolverAdmin(recursor).servers(1).servers] == ["192.0.2.5:53"]
