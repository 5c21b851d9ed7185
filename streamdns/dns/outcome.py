"""Decides what a zone answers for a name, by the steps of RFC 1034 §4.3.2: a short function for each outcome."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from streamdns.dns.lookup import NO_SNAPSHOT, ROOT, Policy, Question, Snapshot, Zone, from_key, synthesised_soa
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
from streamdns.dns.served import is_alias, is_served
from streamdns.dns.wire import (
    AAAA,
    ADDITIONAL_FOR,
    ANY,
    CNAME,
    DNAME,
    DS,
    EDE_NOT_AUTHORITATIVE,
    EDE_NOT_READY,
    EDE_OTHER,
    EDE_STALE,
    MAX_MESSAGE,
    NS,
    NXDOMAIN,
    REFUSED,
    SERVFAIL,
    SOA,
    YXDOMAIN,
    A,
    Collected,
    Reply,
    name_end,
)

MAX_CHAIN: Final = 16
MAX_ADDITIONAL_TARGETS: Final = 32


class ZoneAnswers:
    """Looks names up in one snapshot of the view and fills in replies, following the policy."""

    def __init__(self, policy: Policy) -> None:
        self.configure(policy)
        self.rotation = 0
        self.view: Snapshot
        self._node: Callable[[bytes], bytes | None]
        self._cut: Callable[[bytes], bytes | None]
        self._after: Callable[[bytes], bytes | None]
        self._depths: tuple[int, ...]

    def configure(self, policy: Policy) -> None:
        """Answer by this policy from now on; not while a snapshot is bound."""
        self.policy = policy
        self.listed = policy.zones
        depths = {0 if key == ROOT else key.count(b"\0") for key in policy.zones or ()}
        self._listed_depths = tuple(sorted(depths, reverse=True))

    def bind(self, snapshot: Snapshot) -> None:
        """Answer from this snapshot from now on."""
        self.view = snapshot
        self._node = snapshot.node
        self._cut = snapshot.cut
        self._after = snapshot.after
        depths = snapshot.depths
        if self._listed_depths:
            depths = tuple(sorted({*self._listed_depths, *depths}, reverse=True))
        self._depths = depths

    def unbind(self) -> None:
        """Let go of the snapshot, so that it can be closed."""
        self.view = NO_SNAPSHOT
        self._node, self._cut, self._after = self.view.node, self.view.cut, self.view.after

    def deepest_listed(self, key: bytes) -> int:
        """The number of labels of the longest listed apex at or above a name, given by its key; -1 for none."""
        labels = key[:-1].split(b"\0")
        for depth in self._listed_depths:
            if depth <= len(labels) and b"\0".join(labels[:depth]) + b"\0" in (self.listed or ()):
                return depth
        return -1

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
        if key == zone.key and (node is None or not node[0] & HAS_SOA):
            if question.qtype == SOA:
                self.answer_synthesised_soa(question, zone, reply)
                return None
            if node is None:
                self.answer_nodata(zone, reply)
                return None
        if node is not None:
            return self.answer_node(question, zone, node, key, reply)
        behind = self._after(key) or b""
        if behind.startswith(key) or key == ROOT:
            self.answer_nodata(zone, reply)  # an empty non-terminal (RFC 8020, RFC 4592 §2.2.2)
            return None
        source = question.wildcard(question.encloser(zone.apex, behind, self.view.before(key) or b""))
        node = self._node(source)
        if node is not None:
            return self.answer_node(question, zone, node, source, reply)
        if (self._after(source) or b"").startswith(source):
            self.answer_nodata(zone, reply)
        else:
            self.answer_nxdomain(zone, reply)
        return None

    def answer_node(
        self, question: Question, zone: Zone, node: bytes, source: bytes, reply: Reply
    ) -> Question | None:
        """The name (or the wildcard that stands for it, RFC 4592) exists: CNAME, the RRset, or NODATA.

        `source` is the key of the node.
        """
        qtype = question.qtype
        flags = node[0]
        at_apex = zone.apex == len(question.labels) or bool(flags & HAS_SOA)
        flattens = bool(flags & HAS_CNAME) and at_apex and self.policy.flatten_apex_cname
        if flattens and qtype in (A, AAAA) and find(node, qtype) is None:
            if isinstance(reply, Collected):
                return self.answer_cname(question, node, source, reply)
            self.answer_flattened(question, node, zone, reply)
            return None
        if qtype == ANY:
            qtype = any_type(node, hide_cname=not is_alias(flags, at_apex=at_apex))
        elif not is_served(qtype, flags, at_apex=at_apex):
            if is_alias(flags, at_apex=at_apex):
                return self.answer_cname(question, node, source, reply)
            self.answer_nodata(zone, reply)
            return None
        entry = find(node, qtype)
        if entry is None:
            self.answer_nodata(zone, reply)
            return None
        if qtype == DNAME and question.key in reply.dnames:
            return None  # it is in the answer already: the chain passed below it before it came to it
        flags, count, _, _ = entry
        if flags & REJECTED and reply.ede is None:
            reply.ede = (EDE_STALE, b"")
        records = records_of(node, qtype, owner=from_key(source)) or b""
        if self.policy.rotate and count > 1:
            records = self.rotated(records)
        added = reply.add_rrset(question.wire, qtype, records)
        reply.answers += added
        if not added:
            reply.truncated = True
        elif qtype in ADDITIONAL_FOR:
            self.add_addresses(records, qtype, zone, reply, required=None)
        return None

    def answer_cname(self, question: Question, node: bytes, source: bytes, reply: Reply) -> Question | None:
        """The name is an alias: its CNAME, and the lookup goes on at the target (RFC 1034 §3.6.2)."""
        entry = find(node, CNAME)
        records = records_of(node, CNAME, owner=from_key(source))
        assert entry is not None
        assert records is not None
        if entry[0] & REJECTED and reply.ede is None:
            reply.ede = (EDE_STALE, b"")
        added = reply.add_rrset(question.wire, CNAME, records)
        reply.answers += added
        if not added:
            reply.truncated = True
            return None
        return Question(records[12:], question.qtype)

    def answer_dname(self, question: Question, zone: Zone, reply: Reply) -> Question | None:
        """The name is below a DNAME: the DNAME, a synthesised CNAME, and the lookup goes on (RFC 6672 §3.1).

        It ends where the target is below the DNAME itself: the name would grow with each turn until it is too long.
        """
        key = question.prefix(zone.cut)
        node = self._node(key)
        records = None if node is None else records_of(node, DNAME)
        if records is None:
            reply.rcode = SERVFAIL
            return None
        owner = question.suffix(zone.cut)
        if key not in reply.dnames:
            reply.dnames += (key,)
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
        if question.qtype in (CNAME, ANY) or key == ROOT or Question(records[12:], DNAME).key.startswith(key):
            return None
        return Question(target, question.qtype)

    def answer_delegation(self, question: Question, zone: Zone, reply: Reply) -> None:
        """The name is at or below a cut: a referral with its glue (RFC 1034 §4.3.2 step 3b, RFC 9471)."""
        cut = question.prefix(zone.cut)
        node = self._node(cut)
        records = None if node is None else records_of(node, NS, owner=from_key(cut))
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

    def negative_soa(self, zone: Zone) -> bytes:
        """The zone's SOA for a negative answer, TTL the lower of its own and MINIMUM (RFC 2308 §3)."""
        node = self._node(zone.key)
        records = None if node is None else records_of(node, SOA, owner=from_key(zone.key))
        if records is None:
            records = synthesised_soa(zone.key)
        ttl = records[6:10] if records[6:10] < records[-4:] else records[-4:]
        return records[:6] + ttl + records[10:]

    def add_soa(self, zone: Zone, reply: Reply) -> None:
        """The zone's SOA into the authority section."""
        added = reply.add_rrset(from_key(zone.key), SOA, self.negative_soa(zone))
        reply.authorities += added
        if not added:
            reply.truncated = True

    def answer_synthesised_soa(self, question: Question, zone: Zone, reply: Reply) -> None:
        """The apex of a listed zone is asked for the SOA that is not in the log."""
        added = reply.add_rrset(question.wire, SOA, synthesised_soa(zone.key))
        reply.answers += added
        reply.truncated = not added

    def answer_flattened(self, question: Question, node: bytes, zone: Zone, reply: Reply) -> None:
        """A CNAME at an apex stands for the addresses of its target; where it leads out of our zones, see below."""
        found = Collected()
        visited = {question.key}
        target = self.answer_cname(question, node, question.key, found)
        while target is not None:
            zone_of_target = self.find_zone(target)
            if target.key in visited or len(visited) > MAX_CHAIN:
                reply.rcode = SERVFAIL
                reply.ede = (EDE_OTHER, b"the CNAME at the apex leads nowhere")
                return
            if zone_of_target is None or (zone_of_target.cut >= 0 and not zone_of_target.cut_is_dname):
                ttl_s = min(ttl_of(each) for _, each in found.rrsets)
                self.flatten_elsewhere(question, target.wire, ttl_s, zone, reply)
                return
            visited.add(target.key)
            target = self.answer_in_zone(target, zone_of_target, found, False)
        reply.ede = reply.ede or found.ede
        for rdtype, records in found.rrsets:
            if rdtype == question.qtype:
                ttl = min(ttl_of(each) for _, each in found.rrsets)
                added = reply.add_rrset(question.wire, rdtype, pack_records(rdtype, ttl, unpack_rdatas(records)))
                reply.answers += added
                reply.truncated = not added
                return
        self.answer_nodata(zone, reply)

    def flatten_elsewhere(self, question: Question, target: bytes, ttl_s: int, zone: Zone, reply: Reply) -> None:
        """The CNAME at an apex leads to a name that is not ours, whose addresses are not known here: not denied."""
        reply.rcode = SERVFAIL
        reply.ede = (EDE_OTHER, b"the addresses behind the CNAME at the apex are not known here")

    def add_addresses(self, records: bytes, rdtype: int, zone: Zone, reply: Reply, *, required: bytes | None) -> None:
        """Addresses of the names in NS, MX, SRV, ... records, where this zone holds them, into the additional section.

        Names at or below `required` (the cut of a referral) must be there, or the reply is truncated (RFC 9471 §3);
        the others are left out where there is no room.
        """
        offset = ADDITIONAL_FOR[rdtype]
        in_zone = b"" if zone.key == ROOT else zone.key
        targets: dict[bytes, bytes] = {}
        for rdata in unpack_rdatas(records, MAX_ADDITIONAL_TARGETS if required is None else MAX_MESSAGE):
            name = rdata[offset : name_end(rdata, offset)]
            key = Question(name, A).key
            if key.startswith(in_zone):
                targets.setdefault(key, name)
        keys = list(targets)
        if required is not None:
            keys.sort(key=lambda key: not key.startswith(required))
        for key in keys:
            node = self._node(key)
            if node is None or is_alias(node[0], at_apex=bool(node[0] & HAS_SOA)):
                continue
            for address_type in (A, AAAA):
                addresses = records_of(node, address_type)
                if addresses is None:
                    continue
                added = reply.add_rrset(targets[key], address_type, addresses)
                reply.additionals += added
                if not added and required is not None and key.startswith(required):
                    reply.truncated = True
                    return

    def rotated(self, records: bytes) -> bytes:
        """The records of an RRset, begun at another one each time."""
        rdatas = unpack_rdatas(records)
        self.rotation += 1
        turn = self.rotation % len(rdatas)
        rdtype = records[2] << 8 | records[3]
        return pack_records(rdtype, ttl_of(records), rdatas[turn:] + rdatas[:turn])
