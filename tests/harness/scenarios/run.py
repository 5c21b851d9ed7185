"""Plays every scenario with every resolver at the same time, and collects the results."""

from __future__ import annotations

import asyncio
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

import dns.asyncquery
import dns.edns
import dns.exception
import dns.message
import dns.rcode
import dns.rdatatype

from tests.harness.misbehaving import Misbehaving
from tests.harness.process import wait_until
from tests.harness.scenarios import network, resolvers, tree
from tests.harness.scenarios.report import Report
from tests.harness.scenarios.scenario import RANKS, RIGHT, Reply, Result, Scenario, Step, shown
from tests.harness.scenarios.table import SCENARIOS
from tests.harness.server import HOST

OURS = "streamdns"
_PATIENCE_S = 10.0
_AT_A_TIME = 8
_AGAIN_S = 0.3


def read(reply: dns.message.Message) -> Reply:
    """What a reply says."""
    (asked,) = reply.question
    ede = tuple(sorted(int(option.code) for option in reply.options if isinstance(option, dns.edns.EDEOption)))
    if reply.rcode() == dns.rcode.SERVFAIL:
        return Reply("SERVFAIL", -1, ede)
    found = [rrset for rrset in reply.answer if asked.rdtype in (rrset.rdtype, dns.rdatatype.ANY)]
    if reply.rcode() == dns.rcode.NOERROR and found:
        contents = sorted(rdata.to_text() for rrset in found for rdata in rrset)
        return Reply(" ".join(contents), min(rrset.ttl for rrset in found), ede)
    soa = [rrset.ttl for rrset in reply.authority if rrset.rdtype == dns.rdatatype.SOA]
    rcode = dns.rcode.to_text(reply.rcode())
    nothing = "alias only" if reply.answer else "NODATA"
    return Reply(nothing if rcode == "NOERROR" else rcode, min(soa, default=-1), ede)


class Play:
    """One resolver in all scenarios."""

    def __init__(self, resolver: str, port: int, servers: Misbehaving) -> None:
        self._resolver, self._port, self._servers = resolver, port, servers
        self._sources = resolvers.SOURCES[resolver]
        self._turns = asyncio.Semaphore(_AT_A_TIME)

    async def all(self, scenarios: Sequence[Scenario]) -> list[Result]:
        return list(await asyncio.gather(*[self.one(each) for each in scenarios]))

    async def one(self, scenario: Scenario) -> Result:
        async with self._turns:
            replies: list[Reply | None] = []
            worst, said = RIGHT, ""
            for step in scenario.steps:
                if step.phase is not None:
                    for source in self._sources:
                        self._servers.set_phase(source, scenario.hosts, step.phase)
                await asyncio.sleep(step.after_s)
                verdict = await self._step(step, replies)
                if not said or RANKS[verdict] < RANKS[worst] or verdict == worst == RIGHT:
                    worst, said = verdict, shown(replies, step)
        queries = sum(self._servers.queries(source, scenario.counted) for source in self._sources)
        last = replies[-1]
        return Result(scenario.name, self._resolver, worst, said, queries, () if last is None else last.ede)

    async def _step(self, step: Step, replies: list[Reply | None]) -> str:
        """Ask until it is right or time is over; the last reply is added to `replies`."""
        ends_s = asyncio.get_running_loop().time() + step.again_s
        while True:
            reply = await self._ask(step)
            verdict = step.judge([*replies, reply])
            if verdict == RIGHT or asyncio.get_running_loop().time() >= ends_s:
                replies.append(reply)
                return verdict
            await asyncio.sleep(_AGAIN_S)

    async def _ask(self, step: Step) -> Reply | None:
        query = dns.message.make_query(step.name, step.rdtype, use_edns=0, payload=4096)
        try:
            # From this very address: what is forged for other ports of this network shall not come here.
            reply, _ = await dns.asyncquery.udp_with_fallback(
                query, HOST, timeout=_PATIENCE_S, port=self._port, source=HOST, ignore_unexpected=True
            )
        except (dns.exception.Timeout, OSError):
            return None
        return read(reply)


def _is_ready(port: int) -> bool:
    async def ask() -> bool:
        query = dns.message.make_query(tree.READY, "A")
        try:
            reply = await dns.asyncquery.udp(query, HOST, timeout=1, port=port)
        except (dns.exception.DNSException, OSError):
            return False
        return read(reply).said == tree.READY_ADDRESS

    return asyncio.run(ask())


@contextmanager
def _started(
    stack: ExitStack, folder: pathlib.Path, report: Report, *, ipv6: bool, forwards: Mapping[str, str]
) -> Iterator[dict[str, int]]:
    """The ports of all resolvers that there are, each of which resolves."""
    hints = tree.hints(folder)
    ports = {}

    def told(name: str) -> resolvers.Told:
        return resolvers.Told(hints, resolvers.SOURCES[name][: 2 if ipv6 else 1], forwards)

    server = stack.enter_context(resolvers.streamdns(folder / OURS, told(OURS)))
    ports[OURS] = server.port
    for name, make in resolvers.PEERS.items():
        why = resolvers.missing(name)
        if why:
            report.missing[name] = why
            continue
        peer = stack.enter_context(make(folder / name.replace(" ", ""), told(name)))
        ports[name] = peer.port
        report.versions[name] = resolvers.version(name)
    for name, port in ports.items():
        wait_until(lambda port=port: _is_ready(port), f"{name} resolves", timeout_s=60)  # type: ignore[misc]
    yield ports
    code = server.stop()
    if code or "Traceback" in server.written():
        report.faults.append(f"streamdns ended with {code}: {server.written()}")


def run(folder: pathlib.Path, only: Sequence[str] = ()) -> Report:
    """Everything, in a network of this process's own; raises network.NoNetwork."""
    report = Report()
    network.enter()
    scenarios = [each for each in SCENARIOS if not only or each.name in only]
    addresses = {address for each in scenarios for address in each.hosts if ":" in address}
    why = network.add(tree.ADDRESSES)
    if why:
        raise network.NoNetwork(why)
    why = network.add([*sorted(addresses), *(six for _, six in resolvers.SOURCES.values())])
    if why:
        report.left_out = {each.name: why for each in scenarios if any(":" in host for host in each.hosts)}
        scenarios = [each for each in scenarios if each.name not in report.left_out]
    with ExitStack() as stack:
        servers = tree.start(stack, folder, scenarios)
        forwards = {zone: host for each in scenarios for zone, host in each.forwards.items()}
        with _started(stack, folder, report, ipv6=not why, forwards=forwards) as ports:
            report.results = asyncio.run(_play(ports, servers, scenarios))
        report.faults += servers.faults
    return report


async def _play(ports: dict[str, int], servers: Misbehaving, scenarios: Sequence[Scenario]) -> list[Result]:
    plays = [
        Play(name, port, servers).all([each for each in scenarios if name == OURS or not each.own])
        for name, port in ports.items()
    ]
    return [result for results in await asyncio.gather(*plays) for result in results]
