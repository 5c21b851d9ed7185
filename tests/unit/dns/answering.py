"""A view in memory for tests of answers: zones from text, and questions to an Answerer that is bound to them."""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection
from typing import Any

import dns.message
import dns.name
import dns.rdatatype

from streamdns.dns import name, rdata
from streamdns.dns.answer import Answerer
from streamdns.dns.cookies import Cookies
from streamdns.dns.lookup import Policy
from streamdns.dns.node import Origin, RRset, cut_flags, encode, pack_records
from streamdns.view.bounds import cut_value
from streamdns.view.keys import node_key

SOA_TEXT = "ns.example. hostmaster.example. 1 3600 600 604800 60"
EXAMPLE = f"""
example. 300 SOA {SOA_TEXT}
example. 300 NS ns.example.
example. 300 NS ns.elsewhere.invalid.
ns.example. 300 A 192.0.2.53
"""
_ORIGIN = Origin(0, 0, 0, 0, b"")
_versions = itertools.count()


class Memory:
    """A snapshot (dns/lookup.py) of records in memory; it can be bound again and again.

    `is_outdated` is one of a view of schema 1, whose names in RDATA were in full, and templates had another form.
    """

    def __init__(
        self, text: str, *, ready: bool = True, rejected: Collection[tuple[str, str]] = (), is_outdated: bool = False
    ) -> None:
        sets: dict[bytes, dict[int, tuple[int, list[bytes]]]] = defaultdict(dict)
        for line in filter(None, map(str.strip, text.splitlines())):
            owner, ttl, type_text, content = line.split(maxsplit=3)
            rdtype = rdata.type_from_text(type_text)
            _, rdatas = sets[name.from_text(owner).lower()].setdefault(rdtype, (int(ttl), []))
            rdatas.append(rdata.from_text(rdtype, content))
        marked = {(name.from_text(owner).lower(), rdata.type_from_text(rdtype)) for owner, rdtype in rejected}
        nodes: dict[bytes, bytes] = {}
        cuts: dict[bytes, bytes] = {}
        for owner_wire, rrsets in sets.items():
            key = node_key(owner_wire)
            raw = nodes[key] = encode([
                RRset(rdtype, (owner_wire, rdtype) in marked, len(found), pack_records(rdtype, ttl_s, found), _ORIGIN)
                for rdtype, (ttl_s, found) in sorted(rrsets.items())
            ], owner=b"" if is_outdated else owner_wire)
            if cut_flags(raw):
                bounds = cuts[key] = cut_value(raw, owner_wire)
                if is_outdated:
                    cuts[key] = bytes((cut_flags(raw),)) + bounds[1:3] + bounds[5:]
        self.keys = sorted(nodes)
        self.node, self.cut = nodes.get, cuts.get
        self.depths = tuple(sorted({0 if key == b"\0" else key.count(b"\0") for key in cuts}, reverse=True))
        self.ready = ready
        self._version = next(_versions)

    def version(self) -> int:
        """Each is another state."""
        return self._version

    def close(self) -> None:
        """Nothing is held."""

    def after(self, key: bytes) -> bytes | None:
        """The first key at or behind a key."""
        at = bisect_left(self.keys, key)
        return self.keys[at] if at < len(self.keys) else None

    def before(self, key: bytes) -> bytes | None:
        """The last key before a key."""
        at = bisect_left(self.keys, key)
        return self.keys[at - 1] if at else None


def zones(*names: str) -> frozenset[bytes]:
    """Listed zones as a policy holds them."""
    return frozenset(node_key(name.from_text(each).lower()) for each in names)


def answerer(text: str | Memory = EXAMPLE, *, cookies: Cookies | None = None, **policy: Any) -> Answerer:
    """An answerer with this policy, bound to these records."""
    made = Answerer(Policy(**policy), cookies=cookies)
    made.bind(Memory(text) if isinstance(text, str) else text)
    return made


def reply_to(made: Answerer, query: dns.message.Message, *, tcp: bool = False) -> dns.message.Message:
    """The reply as dnspython reads it; it has the query's id and question, and no more octets than allowed."""
    packet = query.to_wire()
    wire = made.reply(packet, tcp, 0)
    assert wire is not None
    reply = dns.message.from_wire(wire)
    assert query.is_response(reply), reply
    assert [rrset.name.labels for rrset in reply.question] == [rrset.name.labels for rrset in query.question]
    limit = 65535 if tcp else max(512, min(query.payload, made.policy.edns_size)) if query.edns >= 0 else 512
    assert len(wire) <= limit
    return reply


def ask(
    made: Answerer | str | Memory, owner: str, rdtype: str = "A", *, tcp: bool = False, **options: Any
) -> dns.message.Message:
    """The reply to one question; `options` are those of dns.message.make_query()."""
    ready = made if isinstance(made, Answerer) else answerer(made)
    return reply_to(ready, dns.message.make_query(owner, rdtype, **options), tcp=tcp)


def wire_reply(made: Answerer, owner: str, rdtype: str, **options: Any) -> bytes:
    """The octets of the reply to one question over UDP."""
    wire = made.reply(dns.message.make_query(owner, rdtype, **options).to_wire(), False, 0)
    assert wire is not None
    return wire


def cookies_of(now_s: int) -> Cookies:
    """Cookies under a known secret, at a time that stands still."""
    return Cookies(bytes(range(16)), lambda: float(now_s))


def section(rrsets: list[Any]) -> list[str]:
    """The records of a section as `owner TYPE rdata`, in order."""
    return [
        f"{rrset.name} {dns.rdatatype.to_text(rrset.rdtype)} {each.to_text()}" for rrset in rrsets for each in rrset
    ]


def errors(reply: dns.message.Message) -> list[int]:
    """The codes of the extended errors (RFC 8914)."""
    return [int(option.code) for option in reply.options if option.otype == 15]  # type: ignore[attr-defined]
