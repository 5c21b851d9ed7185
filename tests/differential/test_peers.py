"""Random zones and queries are answered as NSD and Knot answer them.

What they disagree on does not count. STREAMDNS_DIFFERENTIAL_SEED asks a run again; STREAMDNS_DIFFERENTIAL_ROUNDS asks more.
"""

from __future__ import annotations

import os
import pathlib
import random
from collections import Counter
from collections.abc import Callable

import dns.flags
import dns.message
import pytest

from tests.differential.outcome import Outcome, Record, outcome_of
from tests.differential.queries import Query, ask_tcp, ask_udp, make_queries
from tests.differential.zones import Zone, make_zones, text_of, within
from tests.harness import Knot, Nsd, Server

ZONES = 250
QUERIES_A_ZONE = 44
ROUNDS = int(os.environ.get("STREAMDNS_DIFFERENTIAL_ROUNDS", "2"))
SEED = os.environ.get("STREAMDNS_DIFFERENTIAL_SEED", "")
SHOWN = 8


@pytest.mark.peers
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_random_zones_are_answered_as_nsd_and_knot_do(
    tmp_path: pathlib.Path, serve: Callable[..., Server], capsys: pytest.CaptureFixture[str]
) -> None:
    """At least 20,000 queries; every case in which the two agree is answered the same."""
    seed = int(SEED) if SEED else random.SystemRandom().randrange(1 << 32)
    tally: Counter[str] = Counter()
    differences: list[str] = []
    for number in range(ROUNDS):
        rng = random.Random(seed + number)
        compare_round(rng, tmp_path / f"round{number}", serve, tally, differences)
    summary = f"differential seed {seed}: " + ", ".join(f"{count} {what}" for what, count in sorted(tally.items()))
    with capsys.disabled():
        print(f"\n{summary}")
    assert not differences, "\n".join([summary, f"{len(differences)} differences", *differences[:SHOWN]])
    assert tally["queries"] >= 10_000 * ROUNDS
    assert tally["compared"] > 0.8 * tally["queries"], summary


def compare_round(
    rng: random.Random, folder: pathlib.Path, serve: Callable[..., Server], tally: Counter[str], differences: list[str]
) -> None:
    """One set of zones in all three servers, and all queries to each of them."""
    zones = make_zones(rng, ZONES)
    texts = {text_of(zone.origin): zone.text() for zone in zones}
    queries = [query for zone in zones for query in make_queries(rng, zone, QUERIES_A_ZONE)]
    rng.shuffle(queries)
    wires = [query.wire(number & 0xFFFF) for number, query in enumerate(queries)]
    server = serve(start=False)
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
        end = 12 + len(b".".join(query.name)) + 2 + 4 if query.name else 17
        nsd, knot, ours = (outcome_of(reply, end) for reply in three)
        assert ours.question == wire[12:end]
        if not same(nsd, knot):
            tally["on which the peers disagree"] += 1
            continue
        tally["compared"] += 1
        tally["over TCP"] += transport == "TCP"
        tally["truncated"] += "TC" in nsd.flags
        if same(nsd, ours):
            continue
        excuse = explained(query, nsd, ours, three)
        if excuse:
            tally[excuse] += 1
        else:
            differences.append(describe(query, transport, nsd, ours, three))


def same(one: Outcome, other: Outcome) -> bool:
    """Whether two outcomes are the same for a client."""
    return one == other


def explained(query: Query, peers: Outcome, ours: Outcome, three: list[bytes]) -> str:
    """Why a difference is right, as a narrow rule with its source; nothing where it is not."""
    return ""


def describe(query: Query, transport: str, peers: Outcome, ours: Outcome, three: list[bytes]) -> str:
    """Everything that is needed to see what went wrong."""
    fields = [name for name in Outcome._fields if getattr(peers, name) != getattr(ours, name)]
    texts = [f"-- {who}\n{dns.message.from_wire(reply)}" for who, reply in zip(("NSD", "Knot", "streamdns"), three, strict=True)]
    return "\n".join(
        [f"==== {transport} {text_of(query.name)} {dns.rdatatype.to_text(query.rdtype)} size {query.size} differs in {fields}"]
        + texts + ["-- zone", query.zone.text()]
    )
