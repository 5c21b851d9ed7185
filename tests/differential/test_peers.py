"""Random zones and queries are answered as NSD and Knot answer them.

What they disagree on does not count. STREAMDNS_DIFFERENTIAL_SEED asks a run again; STREAMDNS_DIFFERENTIAL_ROUNDS asks
more.
"""

from __future__ import annotations

import os
import pathlib
import random
from collections import Counter
from collections.abc import Callable

import dns.message
import dns.rdatatype
import pytest

from tests.differential.outcome import FLAGS, MAX_POINTERS, Message, Outcome, Record, outcome_of
from tests.differential.queries import Query, ask_tcp, ask_udp, make_queries
from tests.differential.zones import make_zones, size_of, text_of
from tests.harness import Knot, Nsd, Server

ZONES = 250
QUERIES_A_ZONE = 44
ROUNDS = int(os.environ.get("STREAMDNS_DIFFERENTIAL_ROUNDS", "2"))
SEED = os.environ.get("STREAMDNS_DIFFERENTIAL_SEED", "")
SHOWN = 8
#: Links of a chain that every server follows.
PATIENCE = 8


@pytest.mark.peers
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_random_zones_are_answered_as_nsd_and_knot_do(
    tmp_path: pathlib.Path, serve: Callable[..., Server], say: Callable[[str], None]
) -> None:
    """At least 20,000 queries; every case in which the two agree is answered the same."""
    seed = int(SEED) if SEED else random.SystemRandom().randrange(1 << 32)
    say(f"seed {seed}")
    tally: Counter[str] = Counter()
    differences: list[str] = []
    for number in range(ROUNDS):
        rng = random.Random(seed + number)
        compare_round(rng, tmp_path / f"round{number}", serve, tally, differences, listed=number % 2 == 1)
    summary = f"differential seed {seed}: " + ", ".join(f"{count} {what}" for what, count in sorted(tally.items()))
    say(summary)
    assert not differences, "\n".join([summary, f"{len(differences)} differences", *differences[:SHOWN]])
    assert tally["queries"] >= 10_000 * ROUNDS
    assert tally["compared"] > 0.9 * tally["queries"], summary
    for what in ("NXDOMAIN", "YXDOMAIN", "REFUSED", "truncated", "over TCP"):
        assert tally[what], f"nothing was {what}: {summary}"


def compare_round(
    rng: random.Random,
    folder: pathlib.Path,
    serve: Callable[..., Server],
    tally: Counter[str],
    differences: list[str],
    *,
    listed: bool,
) -> None:
    """One set of zones in all three servers, and all queries to each of them; `listed` is for DNS_ZONES."""
    zones = make_zones(rng, ZONES)
    texts = {text_of(zone.origin): zone.text() for zone in zones}
    queries = [query for zone in zones for query in make_queries(rng, zone, QUERIES_A_ZONE)]
    rng.shuffle(queries)
    wires = [query.wire(number & 0xFFFF) for number, query in enumerate(queries)]
    server = serve(start=False, **({"DNS_ZONES": " ".join(texts)} if listed else {}))
    server.append(dict.fromkeys(line for zone in zones for line in zone.events()))
    server.start()
    server.wait_applied()
    assert server.status()["quarantine"] == 0
    options = "  minimal-responses: yes"
    with Nsd(folder / "nsd", texts, options=options) as nsd, Knot(folder / "knot", texts) as knot:
        ports = [nsd.port, knot.port, server.port]
        replies = ask_udp(ports, wires)
        compare(queries, wires, replies, "UDP", tally, differences)
        again = [number for number in range(len(wires)) if any(reply[number][2] & 2 for reply in replies)]
        over_tcp = [ask_tcp(port, [wires[number] for number in again]) for port in ports]
    for number, reply in zip(again, over_tcp[2], strict=True):
        whole = outcome_of(Message(replies[2][number]))
        asked = f"{text_of(queries[number].name)} {dns.rdatatype.to_text(queries[number].rdtype)}"
        assert "TC" in whole.flags or whole == outcome_of(Message(reply)), f"{asked}: not whole, without TC"
    compare([queries[n] for n in again], [wires[n] for n in again], over_tcp, "TCP", tally, differences)
    server.stop()


def compare(
    queries: list[Query],
    wires: list[bytes],
    replies: list[list[bytes]],
    transport: str,
    tally: Counter[str],
    differences: list[str],
) -> None:
    """Count what agrees, describe what does not."""
    for query, wire, *three in zip(queries, wires, *replies, strict=True):
        tally["queries"] += 1
        messages = [Message(reply) for reply in three]
        nsd, knot, ours = map(outcome_of, messages)
        assert ours.question == wire[12 : 12 + size_of(query.name) + 4]
        assert messages[2].most_pointers <= MAX_POINTERS
        assert all(len(set(section)) == len(section) for section in messages[2].sections), three[2].hex()
        tally[f"{ours.rcode}"] += 1
        if tally["queries"] % 10 == 0:
            dns.message.from_wire(three[2])
        if nsd != knot:
            tally["on which the peers disagree"] += 1
            tally["of these answered like neither"] += not any(like(ours, peer) for peer in (nsd, knot))
            continue
        tally["compared"] += 1
        tally["over TCP"] += transport == "TCP"
        tally["truncated"] += "TC" in nsd.flags
        if nsd == ours:
            continue
        excuse = explained(query, nsd, ours)
        if excuse:
            tally[excuse] += 1
        else:
            differences.append(describe(query, transport, nsd, ours, three))


def like(ours: Outcome, peer: Outcome) -> bool:
    """Whether two outcomes are the same, or show more and less of one chain, in which the servers go to some length."""
    if ours == peer:
        return True
    shorter, longer = sorted((ours, peer), key=lambda outcome: len(outcome.chain))
    return (
        len(longer.chain) >= PATIENCE
        and longer.chain[: len(shorter.chain)] == shorter.chain
        and shorter.answer < longer.answer
        and ours[: len(ours) - 4] == peer[: len(peer) - 4]
    )


def explained(query: Query, peers: Outcome, ours: Outcome) -> str:
    """Why a difference is right, as a narrow rule with its source; nothing where it is not."""
    cuts = [record[0] for record in ours.authority if record[1] == dns.rdatatype.NS]
    less = ours == peers._replace(glue=ours.glue) and ours.glue < peers.glue
    less |= "TC" in peers.flags and "TC" not in ours.flags
    if less and cuts and query.zone.has_hidden_wildcard(cuts[0]):
        # Both make up addresses from a wildcard below the cut, which the delegation has cancelled.
        return "referrals without addresses from a wildcard (RFC 1034 §4.3.3)"
    nothing: frozenset[Record] = frozenset()
    flags = tuple(sorted((*ours.flags, "TC"), key=FLAGS.index))
    if ours._replace(flags=flags, answer=nothing, authority=nothing, glue=nothing, chain=()) == peers:
        # More of the names are compressed (RFC 1035 §4.1.4), so that all of it fits; over TCP it is compared.
        return "whole where both peers truncate"
    return ""


def describe(query: Query, transport: str, peers: Outcome, ours: Outcome, three: list[bytes]) -> str:
    """Everything that is needed to see what went wrong."""
    fields = [name for name in Outcome._fields if getattr(peers, name) != getattr(ours, name)]
    servers = zip(("NSD", "Knot", "streamdns"), three, strict=True)
    texts = [f"-- {who}\n{dns.message.from_wire(reply)}" for who, reply in servers]
    asked = f"{transport} {text_of(query.name)} {dns.rdatatype.to_text(query.rdtype)} size {query.size}"
    return "\n".join([f"==== {asked} differs in {fields}", *texts, "-- zone", query.zone.text()])
