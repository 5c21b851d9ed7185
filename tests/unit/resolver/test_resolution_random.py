"""Hierarchies by chance, with servers broken by chance so that one path is left: the true answer is found."""

from __future__ import annotations

import random
from dataclasses import dataclass

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamdns.dns.wire import NOERROR, NXDOMAIN, SERVFAIL
from streamdns.resolver.resolution.message import Response, RRset
from streamdns.resolver.resolution.resolution import MAX_PACKETS, MAX_S, Ask, Resolution
from tests.harness.hierarchy import Behaviour, Host, World, Zone, texts, wire

BREAKS = ("dead", "unreachable", "lame", "refusing", "servfail", "notimp", "upward", "sideways", "garbage", "edns",
          "truncating", "case", "slow", "lossy", "no-tcp")
#: What a server may do and still be the one that is left.
BEARABLE = ("", "edns", "truncating", "case", "slow", "lossy", "no-tcp")


def empty(ask: Ask, rcode: int, *, edns: bool = True) -> Response:
    return Response(0, ask.qname, ask.qtype, rcode, False, False, False, edns, (), (), ())


def behaviour(kind: str) -> Behaviour:
    def behave(ask: Ask, response: Response) -> Response | None:
        if kind == "edns" and ask.options.edns_size:
            return empty(ask, 1, edns=False)
        if kind == "truncating" and not ask.tcp:
            return response._replace(truncated=True, answer=(), authority=(), additional=())
        if kind in ("refusing", "servfail", "notimp"):
            return empty(ask, {"refusing": 5, "servfail": 2, "notimp": 4}[kind])
        if kind == "lame":
            return empty(ask, 0)
        if kind == "upward":
            return empty(ask, 0)._replace(authority=(RRset(b"\0", 2, 60, (wire("a.root."),)),))
        if kind == "sideways":
            return empty(ask, 0)._replace(authority=(RRset(wire("sideways.test."), 2, 60, (wire("a.root."),)),))
        if kind == "garbage":
            return empty(ask, 0)._replace(answer=(RRset(wire("other.test."), 1, 60, (b"\1\2\3\4",)),))
        return response

    return behave


def break_it(host: Host, kind: str) -> None:
    host.behave = behaviour(kind)
    host.dead, host.unreachable = kind == "dead", kind == "unreachable"
    host.mixes_case = kind == "case"
    host.tcp = kind not in ("no-tcp", "case")
    host.rtt_s = 0.6 if kind == "slow" else host.rtt_s
    host.loss = 0.3 if kind == "lossy" else 0.0


@dataclass
class Tree:
    """A world, and what is in it by the question that gets it."""

    world: World
    answers: dict[tuple[str, str], list[str]]


def build(rng: random.Random, *, depth: int, ipv6: bool, broken: float) -> Tree:
    """A root, a safe zone for names of servers elsewhere, and a chain of zones with siblings below."""
    world = World(rng.randrange(1 << 30), ipv6=ipv6)
    numbers = iter(range(1, 10_000))
    root = Zone(".").add(".", "NS", "a.root.").add("a.root.", "A", "198.41.0.4")
    world.host("198.41.0.4", root)
    elsewhere = Zone("elsewhere.").add("elsewhere.", "NS", "ns.elsewhere.")
    root.add("elsewhere.", "NS", "ns.elsewhere.").add("ns.elsewhere.", "A", "10.255.0.1")
    elsewhere.add("ns.elsewhere.", "A", "10.255.0.1")
    world.host("10.255.0.1", elsewhere)
    answers: dict[tuple[str, str], list[str]] = {}
    parents = [root]
    for level in range(depth):
        below: list[Zone] = []
        for parent in parents[:2]:
            for label in rng.sample(["one", "two", "x.y", "*", "xn--a"], rng.randint(1, 2)):
                if label == "*":
                    label = "star"
                apex = f"{label}{level}." + (parent.apex if parent.apex != "." else "")
                zone = Zone(apex)
                _serve(world, rng, zone, parent, elsewhere, numbers, ipv6=ipv6, broken=broken)
                _fill(rng, zone, apex, answers)
                below.append(zone)
        parents = below
    return Tree(world, answers)


def _serve(
    world: World, rng: random.Random, zone: Zone, parent: Zone, elsewhere: Zone, numbers: object, *,
    ipv6: bool, broken: float,
) -> None:
    """One to four names of servers, with glue or elsewhere, one or two addresses each; one address works."""
    assert hasattr(numbers, "__next__")
    servers = []
    hosts: list[Host] = []
    for number in range(rng.randint(1, 4)):
        inside = rng.random() < 0.6
        where = zone if inside else elsewhere
        name = f"ns{number}.{zone.apex}" if inside else f"s{next(numbers)}.elsewhere."
        servers.append(name)
        for rdtype in ("A", "AAAA") if ipv6 and rng.random() < 0.5 else ("A",):
            unique = next(numbers)
            address = f"10.1.{unique >> 8}.{unique & 255}" if rdtype == "A" else f"2001:db8::{unique:x}"
            where.add(name, rdtype, address)
            if inside:
                parent.add(name, rdtype, address)
            hosts.append(world.host(address, zone, rtt_s=rng.choice([0.001, 0.02, 0.1])))
    works = rng.randrange(len(hosts))
    for number, host in enumerate(hosts):
        if number == works:
            break_it(host, rng.choice(BEARABLE) if broken else "")
        elif rng.random() < broken:
            break_it(host, rng.choice(BREAKS))
    zone.add(zone.apex, "NS", *servers)
    parent.add(zone.apex, "NS", *servers)


def _fill(rng: random.Random, zone: Zone, apex: str, answers: dict[tuple[str, str], list[str]]) -> None:
    address = f"192.0.2.{rng.randrange(256)}"
    zone.add(f"www.{apex}", "A", address).add(f"alias.{apex}", "CNAME", f"www.{apex}")
    zone.add(f"deep.er.still.{apex}", "TXT", '"here"')
    answers[f"www.{apex}", "A"] = [f"www.{apex} A {address}"]
    answers[f"alias.{apex}", "A"] = [f"alias.{apex} CNAME www.{apex}", f"www.{apex} A {address}"]
    answers[f"deep.er.still.{apex}", "TXT"] = [f'deep.er.still.{apex} TXT "here"']
    answers[f"nothing.{apex}", "A"] = []
    answers[f"er.still.{apex}", "A"] = []


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 1 << 30), depth=st.integers(1, 5), ipv6=st.booleans(),
       broken=st.sampled_from([0.0, 0.3, 0.7, 1.0]))
def test_one_path_is_enough(seed: int, depth: int, ipv6: bool, broken: float) -> None:
    """Every question ends with its answer; what it takes too long to find the first time is found later."""
    rng = random.Random(seed)
    tree = build(rng, depth=depth, ipv6=ipv6, broken=broken)
    world = tree.world
    for qname, rdtype in rng.sample(sorted(tree.answers), min(6, len(tree.answers))):
        for _ in range(1 if not broken else 4):
            began_s = world.now_s
            found = world.resolve(qname, rdtype)
            assert found.packets <= MAX_PACKETS
            assert world.now_s - began_s <= MAX_S + 0.001
            # A lame server's word is taken where the one that knows was silent, and kept for a minute.
            if found.rcode != SERVFAIL and not any("nobody knows better" in line for line in world.trace):
                break
            world.now_s += 61.0  # Failures are kept for less.
        expected = tree.answers[qname, rdtype]
        assert found.rcode == (NXDOMAIN if qname.startswith("nothing") else NOERROR), (qname, rdtype, world.trace)
        assert texts(found) == expected, (qname, rdtype, world.trace)


def test_nothing_broken_costs_one_query_a_zone_and_label() -> None:
    rng = random.Random(5)
    tree = build(rng, depth=5, ipv6=False, broken=0.0)
    for qname, rdtype in sorted(tree.answers):
        world = tree.world
        world.known.cache.flush()
        found = world.resolve(qname, rdtype)
        assert found.packets <= 4 * (qname.count(".") + 1), (qname, world.trace)


def test_a_resolution_ends_whatever_happens_to_its_queries() -> None:
    """Events in any order, tokens that do not exist, and responses of any content."""
    for seed in range(300):
        rng = random.Random(seed)
        tree = build(rng, depth=3, ipv6=bool(seed % 2), broken=0.3)
        qname, rdtype = rng.choice(sorted(tree.answers))
        _shake(rng, tree.world, qname, rng.choice([rdtype, "ANY", "DS", "NS", "CNAME", "DNAME", "SOA", "RRSIG"]))


def _shake(rng: random.Random, world: World, qname: str, rdtype: str) -> None:
    resolution: Resolution = world.resolution(qname, rdtype)
    now_s = world.now_s
    open_asks = {ask.token: ask for ask in resolution.start(now_s)}
    for _ in range(400):
        if resolution.outcome is not None or now_s > world.now_s + MAX_S:
            break
        now_s += rng.random() * 0.1
        token = rng.choice([*open_asks, 10_000]) if open_asks else 10_000
        ask = open_asks.get(token)
        event = rng.randrange(5)
        if event == 0:
            asks = resolution.hurry(token, now_s)
        elif event == 1:
            asks = resolution.failed(token, "no response", now_s, unreachable=rng.random() < 0.5)
        elif event == 2:
            asks = resolution.distrusted(token, now_s, case=rng.random() < 0.5)
        elif ask is not None:
            asks = resolution.responded(token, mutated(rng, world.answer(ask), ask), now_s)
        else:
            asks = []
        if event:
            open_asks.pop(token, None)
        open_asks.update({each.token: each for each in asks})
        assert resolution.packets <= MAX_PACKETS
    resolution.expired()
    assert resolution.outcome is not None


def mutated(rng: random.Random, response: Response, ask: Ask) -> Response:
    """The response with RRsets moved, renamed, doubled, and with flags and RCODE of any kind."""
    sections = [list(response.answer), list(response.authority), list(response.additional)]
    names = [b"\0", ask.qname, ask.zone, wire("elsewhere."), wire("www." + "x" * 60 + ".test.")]
    for _ in range(rng.randrange(4)):
        kind = rng.choice([1, 2, 5, 6, 39, 28, 46, 47, 16])
        rdata = {1: b"\1\2\3\4", 28: bytes(16), 16: b"\1x"}.get(kind, rng.choice(names))
        if kind == 6:
            rdata = rng.choice(names) + rng.choice(names) + rng.randbytes(20)
        rdatas = tuple(dict.fromkeys([rdata, *([rng.choice(names)] if kind in (2, 5, 39) else [])]))
        ttl_s = rng.choice([0, 1, 300, 86_401, 0x7FFFFFFF])
        signatures = (rng.randbytes(30),) if rng.random() < 0.2 else ()
        rng.choice(sections).append(RRset(rng.choice(names), kind, ttl_s, rdatas, signatures))
    if rng.random() < 0.3:
        rng.shuffle(sections)
    answer, authority, additional = map(tuple, sections)
    return response._replace(
        answer=answer, authority=authority, additional=additional, rcode=rng.choice([0, 0, 0, 1, 2, 3, 4, 5, 6, 9, 16]),
        authoritative=rng.random() < 0.5, truncated=rng.random() < 0.1, recursive=rng.random() < 0.2,
        edns=rng.random() < 0.7,
    )
