"""The answer to a query from one snapshot of the view: the algorithm of RFC 1034 §4.3.2 over bytes, without I/O.

One lookup finds the zone and the topmost cut above the name, one gets the name's node; a short function for each outcome
does the rest. Everything here runs per query, so replies are assembled from stored wire form, and what is unusual
(other opcodes and classes, EDNS options, error replies) is in `streamdns.dns.unusual`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from streamdns.dns import unusual
from streamdns.dns.cookies import Cookies
from streamdns.dns.name import from_key as _from_key
from streamdns.dns.node import (
    ENTRY_SIZE,
    HAS_CNAME,
    HAS_DNAME,
    HAS_NS,
    HAS_SOA,
    HEAD_SIZE,
    REJECTED,
    find,
    pack_records,
    records_of,
    ttl_of,
    unpack_rdatas,
)
from streamdns.dns.wire import (
    AA,
    ADDITIONAL_FOR,
    ANY,
    CD,
    CNAME,
    COMPRESSIBLE,
    DNAME,
    DS,
    EDE_NOT_AUTHORITATIVE,
    EDE_NOT_READY,
    EDE_OTHER,
    EDE_STALE,
    MAX_MESSAGE,
    MAX_UDP_PLAIN,
    NS,
    NSEC,
    NXDOMAIN,
    OPT_EDE,
    QR,
    RD,
    REFUSED,
    RRSIG,
    SERVFAIL,
    SOA,
    YXDOMAIN,
    A,
    AAAA,
    Reply,
    name_end,
    opt_record,
    option,
)

MAX_CHAIN = 16
MAX_ADDITIONAL_TARGETS = 32

# Types that want compression, additional addresses, or another side of a cut.
_NOT_SIMPLE = frozenset(COMPRESSIBLE) | frozenset(ADDITIONAL_FOR) | {ANY, DS, DNAME, NSEC, RRSIG} | set(range(249, 256))
# Types that are answered at a name with a CNAME (RFC 4035 §2.5, RFC 8482).
_BESIDE_CNAME = frozenset((CNAME, ANY, RRSIG, NSEC))

_NO_RECORDS = b"\0\1\0\0\0\0\0\0"
_ONLY_OPT = b"\0\1\0\0\0\0\0\1"


class Snapshot(Protocol):
    """One consistent state of the view, as `view/reader.py` gives it.

    `node` and `cut` map a lookup key to the stored value or None. `seek` gives the first stored key at or behind a key
    with its node, `before` the last stored key before it. `depths` are the numbers of labels at which zones or cuts
    exist, descending.
    """

    node: Callable[[bytes], bytes | None]
    cut: Callable[[bytes], bytes | None]
    depths: tuple[int, ...]
    ready: bool

    def close(self) -> None: ...

    def seek(self, key: bytes) -> tuple[bytes, bytes] | None: ...

    def before(self, key: bytes) -> bytes | None: ...


@dataclass(frozen=True, slots=True)
class Policy:
    """What the configuration says about answers; `zones` are lookup keys of listed apexes, None = those in the log."""

    zones: frozenset[bytes] | None = None
    instance_id: bytes = b""
    version: bytes | None = None
    edns_size: int = 1232
    flatten_apex_cname: bool = False
    rotate: bool = False
    keepalive_s: int = 30


class Zone:
    """What the walk from the name to its zone found: depth and key of the apex, and the topmost cut between."""

    __slots__ = ("apex", "cut", "cut_is_dname", "key")

    def __init__(self, apex: int, key: bytes, cut: int, cut_is_dname: bool) -> None:
        self.apex, self.key, self.cut, self.cut_is_dname = apex, key, cut, cut_is_dname


class Question:
    """A name that is being looked up: the client's, then each target of a chain.

    `labels` are those of the lookup key: from the top, lower case, escaped. The root's key is one zero octet.
    """

    __slots__ = ("key", "labels", "offsets", "qtype", "wire")

    def __init__(self, wire: bytes, qtype: int) -> None:
        lower = wire.lower()
        labels: list[bytes] = []
        offsets: list[int] = []
        at = 0
        length = lower[0]
        while length:
            offsets.append(at)
            labels.append(lower[at + 1 : at + 1 + length])
            at += length + 1
            length = lower[at]
        offsets.append(at)
        labels.reverse()
        joined = b"\0".join(labels) + b"\0"
        if b"\1" in joined or joined.count(b"\0") != (len(labels) or 1):
            labels = [label.replace(b"\1", b"\1\2").replace(b"\0", b"\1\1") for label in labels]
            joined = b"\0".join(labels) + b"\0"
        self.wire, self.qtype, self.offsets, self.labels, self.key = wire, qtype, offsets, labels, joined

    def suffix(self, depth: int) -> bytes:
        """The last `depth` labels of the name in wire form, the case kept."""
        return self.wire[self.offsets[len(self.labels) - depth] :]

    def prefix(self, depth: int) -> bytes:
        """The lookup key of the last `depth` labels."""
        return b"\0".join(self.labels[:depth]) + b"\0"


class Answerer:
    """Answers queries from the snapshot it is bound to; not re-entrant, one per server loop.

    `tally` counts replies by `qtype << 8 | rcode`; whoever owns the answerer reads and clears it.
    `stale` marks every answer with EDE 3. `client` is set by the server: it gives the octets of the client's address
    for the slot that is passed to `reply` (needed for cookies only).
    """

    def __init__(self, policy: Policy, *, cookies: Cookies | None) -> None:
        self.policy = policy
        self.cookies = cookies
        self.client: Callable[[int], bytes] = _no_client
        self.stale = False
        self.tally: dict[int, int] = {}
        self.truncated = 0
        self.rotation = 0
        self._edns_size = policy.edns_size
        self.opt_plain = opt_record(policy.edns_size, False)
        self.opt_do = opt_record(policy.edns_size, True)
        self.listed = policy.zones
        self.listed_depths = frozenset(0 if key == b"\0" else key.count(b"\0") for key in policy.zones or ())
        self.view: Snapshot

    def bind(self, snapshot: Snapshot) -> None:
        """Answer from this snapshot from now on."""
        self.view = snapshot
        self._node = snapshot.node
        self._cut = snapshot.cut
        depths = snapshot.depths
        if self.listed_depths:
            depths = tuple(sorted(self.listed_depths.union(depths), reverse=True))
        self._depths = depths
        self._simple = snapshot.ready and not self.stale and not self.policy.rotate and self.listed is None

    def unbind(self) -> None:
        """Let go of the snapshot, so that it can be closed."""
        del self.view, self._node, self._cut

    def reply(self, packet: bytes, tcp: bool, slot: int) -> bytes | None:
        """The reply to one message, or None where none may be sent; never raises for anything in `packet`.

        This is the common case: an IN query without EDNS options whose RRset stands at its own node, below no cut but
        its zone's apex, holds no compressible names and fits. Everything else goes to `resolve` or `unusual.reply`.
        """
        counts = packet[4:12]
        size = len(packet)
        if size < 17 or packet[2] & 0xF8 or (counts != _NO_RECORDS and counts != _ONLY_OPT):
            return unusual.reply(self, packet, tcp, slot)
        lower = packet.lower()
        labels: list[bytes] = []
        add = labels.append
        at = 12
        length = lower[12]
        try:
            while length:
                if length > 63:
                    return unusual.reply(self, packet, tcp, slot)
                start = at + 1
                at = start + length
                add(lower[start:at])
                length = lower[at]
        except IndexError:
            return unusual.reply(self, packet, tcp, slot)
        end = at + 5
        if counts == _NO_RECORDS:
            limit = MAX_UDP_PLAIN
            opt = b""
            if size != end:
                return unusual.reply(self, packet, tcp, slot)
        elif size == end + 11 and packet[end : end + 3] == b"\0\0\x29" and packet[-2:] == b"\0\0" and not packet[end + 6]:
            limit = packet[end + 3] << 8 | packet[end + 4]
            if limit > self._edns_size:
                limit = self._edns_size
            elif limit < MAX_UDP_PLAIN:
                limit = MAX_UDP_PLAIN
            opt = self.opt_do if packet[end + 7] & 0x80 else self.opt_plain
        else:
            return unusual.reply(self, packet, tcp, slot)
        if packet[at + 3] or packet[at + 4] != 1 or at > 266:
            return unusual.reply(self, packet, tcp, slot)
        if tcp:
            limit = MAX_MESSAGE
        labels.reverse()
        key = b"\0".join(labels) + b"\0"
        depth = len(labels)
        if not self._simple or key.count(b"\0") != depth or b"\1" in key:
            return self.resolve(packet, end, limit, opt)
        cut = self._cut
        for d in self._depths:
            if d < depth:
                found = cut(b"\0".join(labels[:d]) + b"\0")
            elif d == depth:
                found = cut(key)
            else:
                continue
            if found is not None:
                break
        else:
            return self.resolve(packet, end, limit, opt)
        bounds = found[0]
        if not bounds & HAS_SOA or (bounds & HAS_DNAME and d < depth):
            return self.resolve(packet, end, limit, opt)
        qtype = packet[at + 1] << 8 | packet[at + 2]
        node = self._node(key)
        if node is None or node[0] & HAS_CNAME or qtype in _NOT_SIMPLE:
            return self.resolve(packet, end, limit, opt)
        entry = find(node, qtype)
        if entry is None or entry[0] & REJECTED or end + entry[3] + len(opt) > limit:
            return self.resolve(packet, end, limit, opt)
        _, count, start, length = entry
        tally = self.tally
        kind = qtype << 8
        tally[kind] = tally.get(kind, 0) + 1
        return b"%b%c%c\0\1%c%c\0\0\0%c%b%b%b" % (
            packet[:2],
            QR | AA | packet[2] & RD,
            packet[3] & CD,
            count >> 8,
            count & 255,
            1 if opt else 0,
            packet[12:end],
            node[start : start + length],
            opt,
        )

    def resolve(self, packet: bytes, end: int, limit: int, opt: bytes, *, any_class: bool = False) -> bytes:
        """The reply to a well-formed query of class IN whose question ends at `end`; `opt` is b"" without EDNS.

        Follows CNAME and DNAME through all zones of the view, up to MAX_CHAIN links (RFC 1034 §4.3.2, RFC 6672 §3.2);
        the RCODE is that of the last name (RFC 6604), AA that of the first.
        """
        qtype = packet[end - 4] << 8 | packet[end - 3]
        question: Question | None = Question(packet[12 : end - 4], qtype)
        reply = Reply(packet, end, limit - len(opt) - (6 if opt else 0))
        if self.stale:
            reply.ede = (EDE_STALE, b"")
        visited: set[bytes] = set()
        while question is not None and len(visited) <= MAX_CHAIN and question.key not in visited:
            zone = self.find_zone(question)
            first = not visited
            visited.add(question.key)
            if first and (zone is None or not self.view.ready):
                self.answer_not_ours(zone, reply)
                break
            if zone is None or not self.view.ready:
                break
            question = self.answer_in_zone(question, zone, reply, first)
        if any_class:
            reply.authoritative = False
        return self.finish(packet, reply, qtype, opt)

    def finish(self, packet: bytes, reply: Reply, qtype: int, opt: bytes) -> bytes:
        """The finished message of a reply, counted."""
        rcode = reply.rcode
        kind = qtype << 8 | rcode
        self.tally[kind] = self.tally.get(kind, 0) + 1
        if reply.truncated:
            self.truncated += 1
        if opt and reply.ede is not None:
            code, text = reply.ede
            opt = with_option(opt, OPT_EDE, code.to_bytes(2, "big") + text)
        flags = QR | (AA if reply.authoritative else 0) | packet[2] & RD
        return reply.finish(flags, packet[3] & CD | rcode, opt)

    def find_zone(self, question: Question) -> Zone | None:
        """The zone with the longest apex at or above the name, and the topmost cut between (RFC 1034 §4.3.2 step 2).

        For DS at an apex it is the parent's zone where that is ours too (RFC 4035 §3.1.4.1).
        """
        depth = len(question.labels)
        listed = self.listed
        child: Zone | None = None
        cut, cut_is_dname = -1, False
        for d in self._depths:
            if d > depth:
                continue
            prefix = question.prefix(d) if d < depth else question.key
            found = self._cut(prefix)
            bounds = 0 if found is None else found[0]
            if bounds & HAS_SOA if listed is None else prefix in listed:
                if d < depth and bounds & HAS_DNAME:
                    cut, cut_is_dname = d, True
                zone = Zone(d, prefix, cut, cut_is_dname)
                if question.qtype != DS or d < depth or d == 0:
                    return zone
                child = zone
            elif bounds & HAS_NS and not (d == depth and question.qtype == DS):
                cut, cut_is_dname = d, False
            elif bounds & HAS_DNAME and d < depth:
                cut, cut_is_dname = d, True
        return child

    def answer_not_ours(self, zone: Zone | None, reply: Reply) -> None:
        """The name is in no zone of ours, or the view does not know its zones yet."""
        reply.authoritative = False
        if not self.view.ready and (self.listed is None or zone is not None):
            reply.rcode = SERVFAIL
            reply.ede = (EDE_NOT_READY, b"")
        else:
            reply.rcode = REFUSED
            reply.ede = (EDE_NOT_AUTHORITATIVE, b"")

    def answer_in_zone(self, question: Question, zone: Zone, reply: Reply, first: bool) -> Question | None:
        """Add what the zone says of the name; the next name where that is an alias."""
        if zone.cut >= 0:
            if zone.cut_is_dname:
                return self.answer_dname(question, zone, reply)
            self.answer_delegation(question, zone, reply)
            if first:
                reply.authoritative = False
            return None
        key = question.key
        node = self._node(key)
        if node is not None:
            return self.answer_node(question, zone, node, reply)
        behind = self.view.seek(key)
        if behind is not None and (behind[0].startswith(key) or key == b"\0"):
            self.answer_nodata(zone, reply)  # an empty non-terminal (RFC 8020, RFC 4592 §2.2.2)
            return None
        before = self.view.before(key)
        encloser = question.prefix(zone.apex)
        for depth in range(len(question.labels) - 1, zone.apex, -1):
            prefix = question.prefix(depth)
            if (behind is not None and behind[0].startswith(prefix)) or (before is not None and before.startswith(prefix)):
                encloser = prefix
                break
        source = b"*\0" if encloser == b"\0" else encloser + b"*\0"
        node = self._node(source)
        if node is not None:
            return self.answer_node(question, zone, node, reply)
        behind = self.view.seek(source)
        if behind is not None and behind[0].startswith(source):
            self.answer_nodata(zone, reply)
        else:
            self.answer_nxdomain(zone, reply)
        return None

    def answer_node(self, question: Question, zone: Zone, node: bytes, reply: Reply) -> Question | None:
        """The name (or the wildcard that stands for it, RFC 4592) exists: CNAME, the RRset, or NODATA."""
        qtype = question.qtype
        if node[0] & HAS_CNAME:
            at_apex = zone.apex == len(question.labels) or node[0] & HAS_SOA
            if not at_apex and qtype not in _BESIDE_CNAME:
                return self.answer_cname(question, node, reply)
            if at_apex and self.policy.flatten_apex_cname and qtype in (A, AAAA) and find(node, qtype) is None:
                self.answer_flattened(question, node, zone, reply)
                return None
            if at_apex and qtype == CNAME:
                self.answer_nodata(zone, reply)
                return None
        else:
            at_apex = False
        if qtype == ANY:
            qtype = any_type(node, hide_cname=bool(at_apex))
        entry = find(node, qtype)
        if entry is None:
            self.answer_nodata(zone, reply)
            return None
        flags, count, start, length = entry
        if flags & REJECTED and reply.ede is None:
            reply.ede = (EDE_STALE, b"")
        records = node[start : start + length]
        if self.policy.rotate and count > 1:
            records = self.rotated(records)
        added = reply.add_rrset(question.wire, qtype, records)
        reply.answers += added
        if not added:
            reply.truncated = True
        elif qtype in ADDITIONAL_FOR:
            self.add_addresses(records, qtype, zone, reply, required=None)
        return None

    def answer_cname(self, question: Question, node: bytes, reply: Reply) -> Question | None:
        """The name is an alias: its CNAME, and the lookup goes on at the target (RFC 1034 §3.6.2)."""
        entry = find(node, CNAME)
        assert entry is not None
        flags, _, start, length = entry
        if flags & REJECTED and reply.ede is None:
            reply.ede = (EDE_STALE, b"")
        records = node[start : start + length]
        added = reply.add_rrset(question.wire, CNAME, records)
        reply.answers += added
        if not added:
            reply.truncated = True
            return None
        return Question(records[12:], question.qtype)

    def answer_dname(self, question: Question, zone: Zone, reply: Reply) -> Question | None:
        """The name is below a DNAME: the DNAME, a synthesised CNAME, and the lookup goes on (RFC 6672 §3.1)."""
        node = self._node(question.prefix(zone.cut))
        records = None if node is None else records_of(node, DNAME)
        if records is None:
            reply.rcode = SERVFAIL
            return None
        owner = question.suffix(zone.cut)
        added = reply.add_rrset(owner, DNAME, records)
        reply.answers += added
        if not added:
            reply.truncated = True
            return None
        target = question.wire[: len(question.wire) - len(owner)] + records[12:]
        if len(target) > 255:
            reply.rcode = YXDOMAIN
            return None
        added = reply.add_rrset(question.wire, CNAME, pack_records(CNAME, ttl_of(records), (target,)))
        reply.answers += added
        if not added:
            reply.truncated = True
            return None
        return None if question.qtype in (CNAME, ANY) else Question(target, question.qtype)

    def answer_delegation(self, question: Question, zone: Zone, reply: Reply) -> None:
        """The name is at or below a cut: a referral with its glue (RFC 1034 §4.3.2 step 3b, RFC 9471)."""
        cut = question.prefix(zone.cut)
        node = self._node(cut)
        records = None if node is None else records_of(node, NS)
        if records is None:
            reply.rcode = SERVFAIL
            return
        added = reply.add_rrset(question.suffix(zone.cut), NS, records)
        reply.authorities += added
        if added:
            self.add_addresses(records, NS, zone, reply, required=cut)
        else:
            reply.truncated = True

    def answer_nodata(self, zone: Zone, reply: Reply) -> None:
        """The name exists without that type: the zone's SOA says for how long (RFC 2308 §2.2)."""
        self.add_soa(zone, reply)

    def answer_nxdomain(self, zone: Zone, reply: Reply) -> None:
        """The name does not exist (RFC 2308 §2.1)."""
        reply.rcode = NXDOMAIN
        self.add_soa(zone, reply)

    def add_soa(self, zone: Zone, reply: Reply) -> None:
        """The zone's SOA into the authority section, TTL the lower of its own and MINIMUM (RFC 2308 §3)."""
        node = self._node(zone.key)
        records = None if node is None else records_of(node, SOA)
        if records is None:
            records = synthesised_soa(zone.key)
        ttl = records[6:10] if records[6:10] < records[-4:] else records[-4:]
        added = reply.add_rrset(from_key(zone.key), SOA, records[:6] + ttl + records[10:])
        reply.authorities += added
        if not added:
            reply.truncated = True

    def answer_flattened(self, question: Question, node: bytes, zone: Zone, reply: Reply) -> None:
        """A CNAME at an apex stands for the addresses of its target, as far as those are in zones of ours."""
        records = records_of(node, CNAME)
        assert records is not None
        ttl = ttl_of(records)
        target: Question | None = Question(records[12:], question.qtype)
        scratch = Reply(question.wire.join((b"\0" * 12, b"\0\1\0\1")), 12 + len(question.wire) + 4, MAX_MESSAGE)
        for _ in range(MAX_CHAIN):
            if target is None:
                break
            found = self.find_zone(target)
            if found is None:
                reply.rcode = SERVFAIL
                reply.ede = (EDE_OTHER, b"the target of the CNAME at the apex is in no zone of this server")
                return
            last = target
            target = self.answer_in_zone(target, found, scratch, False)
            node_of_target = None if target is not None or found.cut >= 0 else self._node(last.key)
            addresses = None if node_of_target is None else records_of(node_of_target, question.qtype)
            if addresses is not None:
                ttl = min(ttl, ttl_of(addresses))
                added = reply.add_rrset(
                    question.wire, question.qtype, pack_records(question.qtype, ttl, unpack_rdatas(addresses))
                )
                reply.answers += added
                reply.truncated = not added
                return
        self.answer_nodata(zone, reply)

    def add_addresses(self, records: bytes, rdtype: int, zone: Zone, reply: Reply, *, required: bytes | None) -> None:
        """Addresses of the names in NS, MX, SRV, ... records, where this zone holds them, into the additional section.

        Names at or below `required` (the cut of a referral) must be there, or the reply is truncated (RFC 9471 §3);
        the others are left out where there is no room.
        """
        offset = ADDITIONAL_FOR[rdtype]
        in_zone = b"" if zone.key == b"\0" else zone.key
        for rdata in unpack_rdatas(records, MAX_ADDITIONAL_TARGETS):
            name = rdata[offset : name_end(rdata, offset)]
            target = Question(name, A)
            if not target.key.startswith(in_zone):
                continue
            node = self._node(target.key)
            if node is None or node[0] & HAS_CNAME:
                continue
            for address_type in (A, AAAA):
                addresses = records_of(node, address_type)
                if addresses is None:
                    continue
                added = reply.add_rrset(name, address_type, addresses)
                reply.additionals += added
                if not added and required is not None and target.key.startswith(required):
                    reply.truncated = True
                    return

    def rotated(self, records: bytes) -> bytes:
        """The records of an RRset, begun at another one each time."""
        rdatas = unpack_rdatas(records)
        self.rotation += 1
        turn = self.rotation % len(rdatas)
        rdtype = records[2] << 8 | records[3]
        return pack_records(rdtype, ttl_of(records), rdatas[turn:] + rdatas[:turn])


def _no_client(slot: int) -> bytes:
    return b""


def from_key(key: bytes) -> bytes:
    """The wire name of a lookup key as the view stores it."""
    return b"\0" if key == b"\0" else _from_key(key)


def any_type(node: bytes, *, hide_cname: bool) -> int:
    """The one type that answers ANY (RFC 8482 §4.1): the CNAME that shadows the others, else the lowest."""
    if node[0] & HAS_CNAME and not hide_cname:
        return CNAME
    count = node[2] << 8 | node[3]
    types = [node[at] << 8 | node[at + 1] for at in range(HEAD_SIZE, HEAD_SIZE + ENTRY_SIZE * min(count, 2), ENTRY_SIZE)]
    return next((rdtype for rdtype in types if rdtype != CNAME or not hide_cname), ANY)


def synthesised_soa(apex: bytes) -> bytes:
    """The SOA of a listed zone that has none in the log: the apex as MNAME, hostmaster below it, serial 1."""
    name = from_key(apex)
    mailbox = b"\x0ahostmaster" + name
    timers = b"".join(value.to_bytes(4, "big") for value in (1, 3600, 600, 604800, 60))
    return pack_records(SOA, 3600, (name + (mailbox if len(mailbox) <= 255 else name) + timers,))


def with_option(opt: bytes, code: int, data: bytes) -> bytes:
    """An OPT record in wire form with one more option."""
    options = opt[11:] + option(code, data)
    return opt[:9] + len(options).to_bytes(2, "big") + options
