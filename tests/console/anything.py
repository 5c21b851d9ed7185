"""Whatever the schema of the admin API allows: documents with any content that has the right types.

Made from a seed rather than drawn piece by piece: a snapshot has thousands of fields, and a failing seed tells enough.
"""

from __future__ import annotations

import random
from typing import Any

import msgspec.inspect
from streamdns_console.history import History
from streamdns_console.model import Caller, Changes, Connection, Link, Node, Part, Role, Snapshot

from streamdns.admin.schema import data, peers, resolver, state
from tests.console.fake import NOW_S

#: Names, reasons, payloads: long, in any script, with what terminals take for commands.
TEXTS = (
    "",
    "www.example.org.",
    "xn--bcher-kva.example.",
    "例え.テスト.",
    "a\x1b[2Jb",
    "\u202eevil",
    "x" * 300,
    "a\nb\tc",
    "e\u0301\u0323",
    "👩\u200d👩\u200d👧 family.",
    "following",
    "catching-up",
    "rebuilding",
    "SERVFAIL",
    "{",
    "[]",
    "|A",
)
INTEGERS = (0, 1, 7, -1, 999, 2**31, 2**63 - 1, -(2**63), 1_796_008_327_000)
FLOATS = (0.0, 0.2, -3.5, 41.0, 1e6, 1e300, 5e-324, 1796008327.0)


def document(rng: random.Random, kind: Any) -> Any:
    """A document of a type of the schema."""
    return _of(rng, msgspec.inspect.type_info(kind))


def _of(rng: random.Random, kind: msgspec.inspect.Type) -> Any:
    inspect = msgspec.inspect
    if isinstance(kind, inspect.StructType):
        return kind.cls(**{field.name: _of(rng, field.type) for field in kind.fields})
    if isinstance(kind, inspect.UnionType):
        return _of(rng, rng.choice(kind.types))
    if isinstance(kind, inspect.ListType):
        return [_of(rng, kind.item_type) for _ in range(rng.randrange(4))]
    if isinstance(kind, inspect.DictType):
        return {_of(rng, kind.key_type): _of(rng, kind.value_type) for _ in range(rng.randrange(4))}
    if isinstance(kind, inspect.StrType):
        return _text(rng)
    if isinstance(kind, inspect.IntType):
        return rng.choice((rng.choice(INTEGERS), rng.randrange(10_000)))
    if isinstance(kind, inspect.FloatType):
        return rng.choice((rng.choice(FLOATS), rng.uniform(0, 100)))
    if isinstance(kind, inspect.BoolType):
        return rng.random() < 0.5
    if isinstance(kind, inspect.NoneType):
        return None
    assert isinstance(kind, inspect.AnyType), kind
    return rng.choice((None, True, 7, _text(rng), [_text(rng)], {_text(rng): {_text(rng): 1}}))


def _text(rng: random.Random) -> str:
    if rng.random() < 0.7:
        return rng.choice(TEXTS)
    points = (
        rng.choice((rng.randrange(0x20, 0x7F), rng.randrange(0x20, 0xD800), rng.randrange(0xE000, 0x110000)))
        for _ in range(rng.randrange(40))
    )
    return "".join(map(chr, points))


def _part(rng: random.Random, kind: Any) -> Any:
    """A document that came at some time, or none."""
    return None if rng.random() < 0.2 else Part(document(rng, kind), NOW_S - rng.uniform(-10, 1e5) * rng.choice((0, 1)))


def _history(rng: random.Random) -> History:
    found, at_s = History(), rng.uniform(0, 1e6)
    for _ in range(rng.randrange(4)):
        at_s += rng.uniform(0, 100)
        found = found.added(document(rng, state.Metrics), at_s)
    return found


def _node(rng: random.Random) -> Node:
    def moment() -> float:
        return rng.choice((NOW_S, NOW_S - 41, rng.uniform(0, 4e9)))

    changes = {each.id: each for each in (document(rng, data.Change) for _ in range(rng.randrange(6)))}
    return Node(
        url=rng.choice(("http://127.0.0.1:8054", "unix:/run/streamdns/admin.sock", "https://[2001:db8::1]")),
        connection=Connection(
            link=rng.choice(list(Link)), since_s=moment(), cause=_text(rng), next_try_s=rng.choice((None, moment()))
        ),
        caller=Caller(
            name=_text(rng),
            role=rng.choice(list(Role)),
            zones=rng.choice((None, ("example.org.",))),
            expires_s=rng.choice((None, moment())),
        ),
        status=_part(rng, state.NodeStatus),
        metrics=_part(rng, state.Metrics),
        consumer=_part(rng, state.Consumer),
        nodes=_part(rng, peers.Nodes),
        servers=_part(rng, resolver.ServerList),
        resolver=rng.choice((None, Part({"enabled": True}, NOW_S), Part({"enabled": False}, NOW_S))),
        quarantine=Part(tuple(document(rng, data.Quarantined) for _ in range(rng.randrange(3))), NOW_S),
        changes=Changes(rows=tuple(changes.values()), live=rng.random() < 0.5, lost=rng.randrange(3), at_s=moment()),
        history=_history(rng),
        skew_s=rng.choice((None, 0.0, rng.uniform(-1e9, 1e9))),
        denied={name: _text(rng) for name in ("status", "metrics", "journal", "consumer") if rng.random() < 0.2},
    )


def snapshot(seed: int) -> Snapshot:
    """The snapshot of a seed: one to three nodes of which anything may be true."""
    rng = random.Random(seed)
    return Snapshot(at_s=NOW_S, nodes=tuple(_node(rng) for _ in range(rng.randrange(1, 4))), version="0.1.0")
