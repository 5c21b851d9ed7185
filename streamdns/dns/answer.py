"""Makes the reply to each message: common queries in one fast piece, all others by the steps of outcome.py. No I/O.

All of this runs per query, so replies are assembled from stored wire form. What is unusual (other opcodes and classes,
EDNS options, error replies) is in dns/unusual.py.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Callable

from streamdns.dns import unusual
from streamdns.dns.cookies import Cookies
from streamdns.dns.lookup import ROOT, Policy, Question, Snapshot
from streamdns.dns.node import HAS_CNAME, HAS_DNAME, HAS_SOA, REJECTED, find
from streamdns.dns.outcome import MAX_CHAIN, ZoneAnswers
from streamdns.dns.wire import (
    AA,
    ADDITIONAL_FOR,
    ANY,
    COMPRESSIBLE,
    DNAME,
    DS,
    EDE_STALE,
    MAX_MESSAGE,
    MAX_UDP_PLAIN,
    NO_RECORDS,
    NOERROR,
    NSEC,
    NXDOMAIN,
    ONLY_OPT,
    OPT_EDE,
    OPT_HEAD,
    QR,
    RD,
    RRSIG,
    Reply,
    opt_record,
    with_option,
)

#: Sends a reply that took its time; never raises, never waits.
Deliver = Callable[[bytes], None]

# Types that want compression, additional addresses, or another side of a cut.
_NOT_SIMPLE = {*COMPRESSIBLE, *ADDITIONAL_FOR, *unusual.NO_DATA_TYPES, ANY, DS, DNAME, NSEC, RRSIG}

_POINTER = _SIZE = struct.Struct(">H")


class Answerer(ZoneAnswers):
    """Answers queries from the snapshot it is bound to; not re-entrant, one per server loop.

    `tally` counts replies by `qtype << 8 | rcode`; whoever owns the answerer reads and clears it.
    `stale` marks every answer with EDE 3. `client` is set by the server: it gives the octets of the client's address
    for the slot that is passed to `reply` (needed for cookies and for who may have names resolved). So is `later`,
    which gives the way for a reply to that slot that takes its time; `deferred` counts these.
    """

    def __init__(self, policy: Policy, *, cookies: Cookies | None) -> None:
        super().__init__(policy)
        self.cookies = cookies
        self.client: Callable[[int], bytes] = _no_client
        self.later: Callable[[int], Deliver] = _no_way
        self.deferred = 0
        self.stale = False
        self.tally: defaultdict[int, int] = defaultdict(int)
        self.truncated = 0
        self._simple = False

    def configure(self, policy: Policy) -> None:
        """Answer by this policy from now on; not while a snapshot is bound."""
        super().configure(policy)
        # Of queries without options, so without a cookie.
        self._edns_size = min(policy.edns_size, policy.no_cookie_size)
        self.opt_plain = opt_record(policy.edns_size, False)
        self.opt_do = opt_record(policy.edns_size, True)

    def bind(self, snapshot: Snapshot) -> None:
        """Answer from this snapshot from now on."""
        super().bind(snapshot)
        self._simple = snapshot.ready and not self.stale and not self.policy.rotate

    def reply(self, packet: bytes, tcp: bool, slot: int) -> bytes | None:
        """The reply to one message, or None where none may be sent; never raises for anything in `packet`.

        This is the common case: an IN query without EDNS options, below no cut but its zone's apex, for an RRset
        without compressible names that fits, or for a name or type that is not there. Everything else goes to
        `resolve` or to `unusual.reply`.
        """
        counts = packet[4:12]
        size = len(packet)
        if size < 17 or packet[2] & 0xF8 or (counts != NO_RECORDS and counts != ONLY_OPT):
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
        if counts == NO_RECORDS:
            limit = MAX_UDP_PLAIN
            opt = b""
            if size != end:
                return unusual.reply(self, packet, tcp, slot)
        elif size == end + 11 and packet[end : end + 3] == OPT_HEAD and packet[-2:] == b"\0\0" and not packet[end + 6]:
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
            return self.foreign(packet, end, limit, opt, labels)
        bounds = found[0]
        qtype = packet[at + 1] << 8 | packet[at + 2]
        if not bounds & HAS_SOA or (bounds & HAS_DNAME and d < depth) or qtype in _NOT_SIMPLE:
            return self.resolve(packet, end, limit, opt)
        if self.listed is not None and self.deepest_listed(labels) != d:
            return self.resolve(packet, end, limit, opt)
        node = self._node(key)
        if node is None:
            after = self._after(key) or b""
            if len(found) == 1 or after.startswith(key):
                return self.resolve(packet, end, limit, opt)
            encloser = key[: at - apex_at]
            if d < depth - 1:  # else the closest encloser can only be the apex
                before = self.view.before(key) or b""
                for start in starts[1 : depth - d]:
                    prefix = key[: at - start]
                    if after.startswith(prefix) or before.startswith(prefix):
                        encloser = prefix
                        break
            source = encloser + b"*\0"
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

    def reply_with(self, packet: bytes, end: int, limit: int, opt: bytes, tcp: bool, slot: int) -> bytes | None:
        """The reply to a query of class IN with EDNS options, answered by `opt`: the rest as if it had none.

        What is not common takes the long way with the same `opt`. The question ends at `end`; nothing in the query is
        malformed.
        """
        kept = self.opt_plain, self.opt_do, self._edns_size
        self.opt_plain = self.opt_do = opt
        self._edns_size = limit
        bare = b"%b%b%b%b%b\0\0\0\0\0\0" % (packet[:4], ONLY_OPT, packet[12:end], OPT_HEAD, _SIZE.pack(limit))
        try:
            return Answerer.reply(self, bare, tcp, slot)
        finally:
            self.opt_plain, self.opt_do, self._edns_size = kept

    def _negative(
        self, packet: bytes, found: bytes, apex_at: int, end: int, rcode: int, limit: int, opt: bytes
    ) -> bytes | None:
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

    def foreign(self, packet: bytes, end: int, limit: int, opt: bytes, labels: list[bytes]) -> bytes | None:
        """The reply to a query for a name (`labels` from the top) that is in no zone of the log."""
        return self.resolve(packet, end, limit, opt)

    def resolve(self, packet: bytes, end: int, limit: int, opt: bytes, *, any_class: bool = False) -> bytes | None:
        """The reply to a well-formed query of class IN whose question ends at `end`; `opt` is b"" without EDNS.

        Follows CNAME and DNAME through all zones of the view, up to MAX_CHAIN links (RFC 1034 §4.3.2, RFC 6672 §3.2);
        the RCODE is that of the last name (RFC 6604), AA that of the first.
        """
        qtype = packet[end - 4] << 8 | packet[end - 3]
        if qtype in unusual.NO_DATA_TYPES:
            return unusual.no_data_type(self, packet, end, qtype, opt)
        question: Question | None = Question(packet[12 : end - 4], qtype)
        reply = Reply(packet, end, limit - len(opt))
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

    def finish(self, packet: bytes, reply: Reply, qtype: int, opt: bytes) -> bytes | None:
        """The finished message of a reply, counted."""
        rcode = reply.rcode
        kind = qtype << 8 | rcode
        self.tally[kind] += 1
        if reply.truncated:
            self.truncated += 1
        if opt and reply.ede is not None:
            code, text = reply.ede
            explained = with_option(opt, OPT_EDE, code.to_bytes(2, "big") + text)
            if len(reply.out) + len(explained) - len(opt) <= reply.limit:
                opt = explained
        flags = QR | (AA if reply.authoritative else 0) | packet[2] & RD
        return reply.finish(flags, rcode, opt)


def _no_client(slot: int) -> bytes:
    return b""


def _no_way(slot: int) -> Deliver:
    return _lost


def _lost(reply: bytes) -> None:
    """A reply that nobody waits for."""
