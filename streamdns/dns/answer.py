"""The answer to a query from one snapshot of the view: the algorithm of RFC 1034 §4.3.2 over bytes, without I/O.

One lookup finds the zone and the topmost cut above the name, one gets the name's node; a short function for each
outcome does the rest. Everything here runs per query, so replies are assembled from stored wire form, and what is
unusual (other opcodes and classes, EDNS options, error replies) is in `streamdns.dns.unusual`.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Callable

from streamdns.dns import unusual
from streamdns.dns.cookies import Cookies
from streamdns.dns.lookup import ROOT, Policy, Question, Snapshot, Zone, from_key, synthesised_soa
from streamdns.dns.node import (
    HAS_CNAME,
    HAS_DNAME,
    HAS_NS,
    HAS_SOA,
    REJECTED,
    any_type,
    find,
    pack_records,
    records_of,
    ttl_of,
    unpack_rdatas,
)
from streamdns.dns.wire import (
    AA,
    AAAA,
    ADDITIONAL_FOR,
    ANY,
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
    NOERROR,
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
    Reply,
    name_end,
    opt_record,
    with_option,
)

MAX_CHAIN = 16
MAX_ADDITIONAL_TARGETS = 32

# Types that want compression, additional addresses, or another side of a cut.
_NOT_SIMPLE = frozenset(COMPRESSIBLE) | frozenset(ADDITIONAL_FOR) | {ANY, DS, DNAME, NSEC, RRSIG} | set(range(249, 256))
# Types that are answered at a name with a CNAME (RFC 4035 §2.5, RFC 8482).
_BESIDE_CNAME = frozenset((CNAME, ANY, RRSIG, NSEC))

_NO_RECORDS = b"\0\1\0\0\0\0\0\0"
_OPT = b"\0\0\x29"  # the root's name and the type: how an OPT record begins
_POINTER = struct.Struct(">H")
_ONLY_OPT = b"\0\1\0\0\0\0\0\1"


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
        self.tally: defaultdict[int, int] = defaultdict(int)
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
        self._after = snapshot.after
        depths = snapshot.depths
        if self.listed_depths:
            depths = tuple(sorted(self.listed_depths.union(depths), reverse=True))
        self._depths = depths
        self._simple = snapshot.ready and not self.stale and not self.policy.rotate

    def unbind(self) -> None:
        """Let go of the snapshot, so that it can be closed."""
        del self.view, self._node, self._cut, self._after

    def reply(self, packet: bytes, tcp: bool, slot: int) -> bytes | None:
        """The reply to one message, or None where none may be sent; never raises for anything in `packet`.

        This is the common case: an IN query without EDNS options, below no cut but its zone's apex, for an RRset
        without compressible names that fits, or for a name or type that is not there. Everything else goes to
        `resolve` or to `unusual.reply`.
        """
        counts = packet[4:12]
        size = len(packet)
        if size < 17 or packet[2] & 0xF8 or (counts != _NO_RECORDS and counts != _ONLY_OPT):
            return unusual.reply(self, packet, tcp, slot)
        lower = packet.lower()
        labels: list[bytes] = []
        starts: list[int] = []
        at = 12
        length = lower[12]
        try:
            while length:
                if length > 63:
                    return unusual.reply(self, packet, tcp, slot)
                starts.append(at)
                at += 1
                labels.append(lower[at : at + length])
                at += length
                length = lower[at]
        except IndexError:
            return unusual.reply(self, packet, tcp, slot)
        end = at + 5
        if counts == _NO_RECORDS:
            limit = MAX_UDP_PLAIN
            opt = b""
            if size != end:
                return unusual.reply(self, packet, tcp, slot)
        elif size == end + 11 and packet[end : end + 3] == _OPT and packet[-2:] == b"\0\0" and not packet[end + 6]:
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
        depth = len(labels)
        labels.reverse()
        key = b"\0".join(labels) + b"\0"
        if not self._simple or key.count(b"\0") != depth or b"\1" in key:
            return self.resolve(packet, end, limit, opt)
        for d in self._depths:
            if d < depth:
                # A label takes as many octets in the key as in the message, so the apex is as long in both.
                apex_at = starts[depth - d] if d else at
                found = self._cut(key[: at - apex_at] or ROOT)
            elif d == depth:
                apex_at = 12
                found = self._cut(key)
            else:
                continue
            if found is not None:
                break
        else:
            return self.resolve(packet, end, limit, opt)
        bounds = found[0]
        qtype = packet[at + 1] << 8 | packet[at + 2]
        if not bounds & HAS_SOA or (bounds & HAS_DNAME and d < depth) or qtype in _NOT_SIMPLE:
            return self.resolve(packet, end, limit, opt)
        if self.listed is not None and (key[: at - apex_at] or ROOT) not in self.listed:
            return self.resolve(packet, end, limit, opt)
        node = self._node(key)
        if node is None:
            # One label below the apex the closest encloser can only be the apex.
            if d != depth - 1 or len(found) == 1 or (self._after(key) or b"").startswith(key):
                return self.resolve(packet, end, limit, opt)
            source = key[: at - apex_at] + b"*\0"
            node = self._node(source)
            if node is None:
                if (self._after(source) or b"").startswith(source):
                    return self.resolve(packet, end, limit, opt)
                return self._negative(packet, found, apex_at, end, NXDOMAIN, limit, opt)
        if node[0] & HAS_CNAME:
            return self.resolve(packet, end, limit, opt)
        place = find(node, qtype)
        if place is None:
            if len(found) == 1:
                return self.resolve(packet, end, limit, opt)
            return self._negative(packet, found, apex_at, end, NOERROR, limit, opt)
        flags, count, start, length = place
        if flags & REJECTED or end + length + len(opt) > limit:
            return self.resolve(packet, end, limit, opt)
        self.tally[qtype << 8] += 1
        return b"%b%c\0\0\1%c%c\0\0\0%c%b%b%b" % (
            packet[:2],
            QR | AA | packet[2] & RD,
            count >> 8,
            count & 255,
            1 if opt else 0,
            packet[12:end],
            node[start : start + length],
            opt,
        )

    def _negative(
        self, packet: bytes, found: bytes, apex_at: int, end: int, rcode: int, limit: int, opt: bytes
    ) -> bytes:
        """NXDOMAIN or NODATA from the SOA that stands with the apex's bounds, see `negative.template`."""
        if end + len(found) - 3 + len(opt) > limit:
            return self.resolve(packet, end, limit, opt)
        second, third = found[1] + 3, found[2] + 3
        self.tally[packet[end - 4] << 16 | packet[end - 3] << 8 | rcode] += 1
        apex = _POINTER.pack(0xC000 | apex_at)
        return b"%b%c%c\0\1\0\0\0\1\0%c%b%b%b%b%b%b%b%b" % (
            packet[:2],
            QR | AA | packet[2] & RD,
            rcode,
            1 if opt else 0,
            packet[12:end],
            apex,
            found[5:second],
            apex,
            found[second + 2 : third],
            apex,
            found[third + 2 :],
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
        self.tally[kind] += 1
        if reply.truncated:
            self.truncated += 1
        if opt and reply.ede is not None:
            code, text = reply.ede
            opt = with_option(opt, OPT_EDE, code.to_bytes(2, "big") + text)
        flags = QR | (AA if reply.authoritative else 0) | packet[2] & RD
        return reply.finish(flags, rcode, opt)

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
        behind = self._after(key) or b""
        if behind.startswith(key) or key == ROOT:
            self.answer_nodata(zone, reply)  # an empty non-terminal (RFC 8020, RFC 4592 §2.2.2)
            return None
        before = self.view.before(key) or b""
        encloser = question.prefix(zone.apex)
        for depth in range(len(question.labels) - 1, zone.apex, -1):
            prefix = question.prefix(depth)
            if behind.startswith(prefix) or before.startswith(prefix):
                encloser = prefix
                break
        source = b"*\0" if encloser == b"\0" else encloser + b"*\0"
        node = self._node(source)
        if node is not None:
            return self.answer_node(question, zone, node, reply)
        if (self._after(source) or b"").startswith(source):
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
