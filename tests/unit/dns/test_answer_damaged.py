"""What is stored is damaged: a reply that may be wrong or an error, which becomes SERVFAIL, but the process goes on."""

from __future__ import annotations

import random

import dns.message

from tests.unit.dns.answering import EXAMPLE, Memory, answerer

TEXT = f"""{EXAMPLE}
www.example. 300 A 192.0.2.1
www.example. 300 A 192.0.2.2
www.example. 300 TXT "text"
alias.example. 300 CNAME www.example.
far.example. 300 CNAME alias.example.
mail.example. 300 MX 10 www.example.
mail.example. 300 MX 20 far.example.
sub.example. 300 NS ns.sub.example.
ns.sub.example. 300 A 192.0.2.3
*.wild.example. 300 CNAME www.example.
"""
ASKED = (
    ("www.example", "A"), ("www.example", "TXT"), ("alias.example", "A"), ("far.example", "A"), ("mail.example", "MX"),
    ("x.sub.example", "A"), ("x.wild.example", "A"), ("none.example", "A"), ("example", "NS"), ("example", "SOA"),
)
ROUNDS = 2_000
_SEED = 20261201


def test_a_damaged_node_or_cut_ends_in_an_error_and_not_in_the_end_of_the_process() -> None:
    """Compiled, too, where octets are looked at without an object for each: nothing far beyond a value is read.

    Some octets of every stored value are changed, among them the numbers that say where records begin and end.
    """
    rng = random.Random(_SEED)
    packets = [dns.message.make_query(owner, rdtype, use_edns=0, payload=4096).to_wire() for owner, rdtype in ASKED]
    replied = failed = 0
    for _ in range(ROUNDS):
        view = Memory(TEXT)
        nodes = {key: _damaged(view.node(key) or b"", rng) for key in view.keys}
        cuts = {key: _damaged(found, rng) for key in view.keys if (found := view.cut(key)) is not None}
        view.node, view.cut = nodes.get, cuts.get
        made = answerer(view)
        for packet in packets:
            try:
                replied += made.reply(packet, True, 0) is not None
            except Exception:
                failed += 1
    assert replied
    assert failed


def _damaged(octets: bytes, rng: random.Random) -> bytes:
    """The same with some octets changed, cut short at times."""
    changed = bytearray(octets)
    for _ in range(rng.choice((0, 0, 1, 2, 5))):
        changed[rng.randrange(len(changed))] = rng.choice((0, 1, 63, 127, 192, 255, rng.randrange(256)))
    return bytes(changed[: rng.randrange(1, len(changed) + 1)] if rng.random() < 0.1 else changed)
