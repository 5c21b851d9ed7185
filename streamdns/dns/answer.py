"""Makes the reply to each message: common queries in one fast piece, all others by the steps of outcome.py. No I/O.

All of this runs per query, so replies are assembled from stored wire form. What is unusual (other opcodes and classes,
EDNS options, error replies) is in dns/unusual.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from streamdns.dns import unusual
from streamdns.dns.compression import COMPRESSIBLE
from streamdns.dns.cookies import Cookies
from streamdns.dns.lookup import ROOT, Policy, Question, Snapshot
from streamdns.dns.node import (
    HAS_CNAME,
    HAS_DNAME,
    HAS_NS,
    HAS_SOA,
    HEAD_SIZE,
    REJECTED,
    any_type,
    entry_of,
)
from streamdns.dns.octets import message, number, piece, question_key
from streamdns.dns.outcome import MAX_CHAIN
from streamdns.dns.ready import ANSWER, REFUSAL, ReadyAnswers, follow, owned, to
from streamdns.dns.served import BESIDE_CNAME
from streamdns.dns.wire import (
    AA,
    ADDITIONAL_FOR,
    ANY,
    CLIENT_COOKIE_HEAD,
    CNAME,
    COOKIE_HEAD,
    DNAME,
    DS,
    EDE_NOT_AUTHORITATIVE,
    EDE_STALE,
    MAX_MESSAGE,
    MAX_UDP_PLAIN,
    NO_RECORDS,
    NOERROR,
    NXDOMAIN,
    ONLY_OPT,
    OPT,
    OPT_EDE,
    OPT_HEAD,
    QR,
    RD,
    REFUSED,
    Reply,
    opt_record,
    with_option,
)

#: Sends a reply that took its time; never raises, never waits.
Deliver = Callable[[bytes], None]

# Types with names in their RDATA, the one that belongs above a cut (RFC 4035 §3.1.4.1), those that an alias does not
# hide, or not alone, and those for the general way.
_NAMES: Final = 1
_ABOVE: Final = 2
_BESIDE: Final = 3
_RARE: Final = 4


def _cares() -> bytes:
    """One of these for each type there may be, 0 for most."""
    cares = bytearray(1 << 16)
    for care, types in (
        (_NAMES, (*COMPRESSIBLE, *ADDITIONAL_FOR)), (_ABOVE, (DS,)), (_BESIDE, (ANY, *BESIDE_CNAME)),
        (_RARE, (*unusual.NO_DATA_TYPES, DNAME)),
    ):
        for rdtype in types:
            cares[rdtype] = care
    return bytes(cares)


_CARE: Final = _cares()

_BOUNDS: Final = HAS_SOA | HAS_NS | HAS_DNAME

_NOT_AUTHORITATIVE: Final = EDE_NOT_AUTHORITATIVE.to_bytes(2, "big")

#: Octets of the OPT record of a query that holds a cookie and nothing else: that of a client which asks for the first
#: time, and the one with what it was given.
_FIRST_SIZE: Final = 23
_AGAIN_SIZE: Final = 39


class Answerer(ReadyAnswers):
    """Answers queries from the snapshot it is bound to; not re-entrant, one per server loop.

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
        self._simple = False

    def configure(self, policy: Policy) -> None:
        """Answer by this policy from now on; not while a snapshot is bound."""
        ReadyAnswers.configure(self, policy)
        # Of queries without options, so without a cookie.
        self._edns_size = min(policy.edns_size, policy.no_cookie_size)
        self.opt_plain = opt_record(policy.edns_size, False)
        self.opt_do = opt_record(policy.edns_size, True)
        self._refusals = {opt: with_option(opt, OPT_EDE, _NOT_AUTHORITATIVE) for opt in (self.opt_plain, self.opt_do)}

    def bind(self, snapshot: Snapshot) -> None:
        """Answer from this snapshot from now on."""
        ReadyAnswers.bind(self, snapshot)
        self._simple = snapshot.ready and not self.stale and not self.policy.rotate

    def reply(self, packet: bytes, tcp: bool, slot: int) -> bytes | None:
        """The reply to one message, or None where none may be sent; never raises for anything in `packet`.

        These are the steps of RFC 1034 §4.3.2 for an IN query. What is not common (a DNAME, a
        listed zone without records, a chain that ends below a cut, what does not fit, ...) goes to `resolve`, other
        messages go to `unusual.reply`.
        """
        size = len(packet)
        octets = packet
        if size < 17 or octets[2] & 0xF8:
            return unusual.reply(self, packet, tcp, slot)
        counts = octets[4:12]
        if counts != NO_RECORDS and counts != ONLY_OPT:
            return unusual.reply(self, packet, tcp, slot)
        starts: list[int] = []
        key = question_key(packet, starts)
        if key is None:
            return unusual.reply(self, packet, tcp, slot)
        depth = len(starts)
        if key or not depth:
            # A label takes as many octets in the key as in the message, so the name is as long in both.
            at = 12 + len(key)
        else:
            at = starts[depth - 1]
            at += octets[at] + 1
        end = at + 5
        if counts == NO_RECORDS:
            limit = MAX_UDP_PLAIN
            opt = b""
            if size != end:
                return unusual.reply(self, packet, tcp, slot)
        elif size == end + 11 and not (
            octets[end] | octets[end + 1] | octets[end + 6] | octets[end + 9] | octets[end + 10]
        ) and octets[end + 2] == OPT:
            limit = octets[end + 3] << 8 | octets[end + 4]
            if limit > self._edns_size:
                limit = self._edns_size
            elif limit < MAX_UDP_PLAIN:
                limit = MAX_UDP_PLAIN
            opt = self.opt_do if octets[end + 7] & 0x80 else self.opt_plain
        elif opt := self._cookie_alone(packet, end, slot):
            known = opt[-24:] == packet[-24:]
            most = self.policy.edns_size if known else self._edns_size
            limit = max(MAX_UDP_PLAIN, min(octets[end + 3] << 8 | octets[end + 4], most))
        else:
            with_options = unusual.options(self, packet, end, tcp, slot)
            if with_options is None:
                return unusual.reply(self, packet, tcp, slot)
            if isinstance(with_options, bytes):
                return with_options
            limit, opt = with_options
        if octets[at + 3] or octets[at + 4] != 1 or at > 266:
            return unusual.reply(self, packet, tcp, slot)
        if tcp:
            limit = MAX_MESSAGE
        if not key or not self._simple:
            return self.resolve(packet, end, limit, opt)
        qtype = octets[at + 1] << 8 | octets[at + 2]
        care = _CARE[qtype]
        # The name that is looked up: first the one asked for, then what CNAMEs lead to; see ready.Alias.
        places = starts
        chain = b""
        seen: list[bytes] = []
        while True:
            name = key
            cut = -1
            node: bytes | None = None
            has_looked = False
            for d in self._depths:
                if d < depth:
                    # The apex is as long in both, too.
                    apex_at = starts[depth - d] if d else at
                    found = self._cut(name[: at - apex_at] or ROOT)
                elif d == depth:
                    # Whether it bounds a zone is among what stands at the name itself, and most do not.
                    node = self._node(key)
                    has_looked = True
                    if node is None or not node[0] & _BOUNDS:
                        continue
                    apex_at = 12
                    found = self._cut(key)
                else:
                    continue
                if found is not None:
                    bounds = found[0]
                    if bounds & HAS_SOA:
                        break
                    if d < depth or qtype != DS:
                        cut, cut_at = d, apex_at
                    if bounds & HAS_DNAME:
                        return self.resolve(packet, end, limit, opt)
            else:
                if not seen:
                    return self.foreign(packet, end, limit, opt, key)
                made = None if self.goes_on(packet) else self.chained(packet, end, limit, opt, chain, len(seen))
                break
            if care and (care == _RARE or (care == _ABOVE and d == depth)):
                return self.resolve(packet, end, limit, opt)
            if (bounds & HAS_DNAME and d < depth) or (seen and cut >= 0):
                return self.resolve(packet, end, limit, opt)
            if self.listed is not None and self.deepest_listed(key) != d:
                return self.resolve(packet, end, limit, opt)
            if cut >= 0:
                made = None if self.goes_on(packet) else self.referral(
                    packet, end, limit, opt, key, at, cut_at, name[: at - apex_at]
                )
                break
            if not has_looked:
                node = self._node(key)
            source = key
            if node is None:
                node, source = self._wildcard(key, starts, at, apex_at, depth - d)
            rcode = NOERROR
            if not node:
                entry = -1
                if source:
                    rcode = NXDOMAIN
            else:
                entries = node
                flags = entries[0]
                if flags & HAS_CNAME:
                    if d == depth or care == _BESIDE or flags & HAS_SOA:
                        return self.resolve(packet, end, limit, opt)
                    if qtype != CNAME:
                        link = follow(
                            node, key, starts, places, at, len(key) - len(source), end + len(chain)
                        )
                        if link is None:
                            return self.resolve(packet, end, limit, opt)
                        record, target, at, starts, places = link
                        chain += record
                        seen.append(key)
                        if target in seen or len(seen) > MAX_CHAIN:
                            made = self.chained(packet, end, limit, opt, chain, len(seen))
                            break
                        key, depth = target, len(starts)
                        continue
                if entries[5] == octets[end - 3] and entries[4] == octets[end - 4]:
                    entry = HEAD_SIZE
                elif care == _BESIDE and qtype == ANY:
                    lowest = any_type(node, hide_cname=True)
                    if lowest >= 0 and _CARE[lowest]:
                        return self.resolve(packet, end, limit, opt)
                    entry = entry_of(node, lowest)
                else:
                    entry = entry_of(node, qtype)
            if entry < 0:
                apex = to(places[depth - d]) if d else ROOT
                made = self.negative(packet, end, limit, opt, found, apex, rcode, chain, len(seen))
                break
            if entries[entry + 2] & REJECTED:
                return self.resolve(packet, end, limit, opt)
            count = number(node, entry + 4)
            begin = number(node, entry + 8)
            length = number(node, entry + 12)
            records = piece(node, begin, length)
            if seen:
                if care or end + len(chain) + length + len(opt) > limit:
                    return self.resolve(packet, end, limit, opt)
                chain += owned(records, count, to(places[0]))
                made = self.chained(packet, end, limit, opt, chain, len(seen) + count)
                break
            if care and care != _BESIDE:
                if qtype == CNAME and not flags & HAS_CNAME:
                    return self.resolve(packet, end, limit, opt)
                made = self.with_names(
                    packet, end, limit, opt, records, count, len(key) - len(source), key, at, name[: at - apex_at]
                )
                break
            if end + length + len(opt) > limit:
                return self.cut_off(packet, end, opt)
            self.tally[qtype << 8] += 1
            return message(packet, end, ANSWER | (octets[2] & RD) << 8 | self.ra, count, 0, 0, records, opt)
        return self.resolve(packet, end, limit, opt) if made is None else made

    def _wildcard(
        self, key: bytes, starts: list[int], at: int, apex_at: int, below: int
    ) -> tuple[bytes, bytes]:
        """The node that stands for a name which has none, `below` labels below the apex, and the node's key (RFC 4592).

        Where there is no node it is b"", and so is the key where the name, or the wildcard, is an empty non-terminal
        (RFC 8020).
        """
        after = self._after(key) or b""
        if after.startswith(key):
            return b"", b""
        name = key
        encloser = name[: at - apex_at]
        if below > 1:  # else the closest encloser can only be the apex
            before = self.view.before(key) or b""
            # From the apex down, for below a name that does not exist none does, however many labels were asked for.
            for start in starts[below - 1 : 0 : -1]:
                prefix = name[: at - start]
                if not after.startswith(prefix) and not before.startswith(prefix):
                    break
                encloser = prefix
        source = encloser + b"*\0"
        found = self._after(source) or b""
        if found.startswith(source):
            return (self._node(source) or b"", source) if found == source else (b"", b"")
        return b"", source

    def _cookie_alone(self, packet: bytes, end: int, slot: int) -> bytes:
        """The OPT record for a query whose only option is a cookie of a usual length; b"" where that is not so."""
        octets = packet
        size = len(packet) - end
        if self.cookies is None or (size != _FIRST_SIZE and size != _AGAIN_SIZE):
            return b""
        head = CLIENT_COOKIE_HEAD if size == _FIRST_SIZE else COOKIE_HEAD
        if octets[end + 6] or octets[end : end + 3] != OPT_HEAD or octets[end + 9 : end + 15] != head:
            return b""
        cookie = self.cookies.answer(octets[end + 15 : end + size], self.client(slot))
        opt = self.opt_do if octets[end + 7] & 0x80 else self.opt_plain
        octets = opt
        # Of these lengths every cookie has an answer.
        return b"".join((octets[:9], COOKIE_HEAD, cookie or b""))

    def goes_on(self, packet: bytes) -> bool:
        """Whether a name that is not ours, or below a cut, is looked up elsewhere for this client."""
        return False

    def foreign(self, packet: bytes, end: int, limit: int, opt: bytes, key: bytes) -> bytes | None:
        """The reply to a query for a name that is in no zone of the log, given by its key: REFUSED.

        Unless a listed zone has it.
        """
        octets = packet
        qtype = octets[end - 4] << 8 | octets[end - 3]
        if _CARE[qtype] == _RARE or (self.listed is not None and self.deepest_listed(key) >= 0):
            return self.resolve(packet, end, limit, opt)
        # Beside the longest name and all that is answered to options there is room for it.
        explained = opt and (self._refusals.get(opt) or with_option(opt, OPT_EDE, _NOT_AUTHORITATIVE))
        self.tally[qtype << 8 | REFUSED] += 1
        return message(packet, end, REFUSAL | (octets[2] & RD) << 8 | self.ra, 0, 0, 0, b"", explained)

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
