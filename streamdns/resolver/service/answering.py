"""Answers clients that may use the resolver: from our own zones, else from ready answers, the cache, or a resolution,
for which the query waits without holding a snapshot of the view.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from streamdns.addresses import Within
from streamdns.dns import unusual
from streamdns.dns.answer import Answerer, Deliver
from streamdns.dns.cookies import Cookies
from streamdns.dns.lookup import Policy, Question, Snapshot, Zone
from streamdns.dns.node import pack_records
from streamdns.dns.octets import headed
from streamdns.dns.wire import (
    HEADER_SIZE,
    MAX_MESSAGE,
    MAX_UDP_PLAIN,
    NO_RECORDS,
    NOERROR,
    ONLY_OPT,
    OPT_EDE,
    OPT_HEAD,
    QR,
    RA,
    RD,
    REFUSED,
    RRSIG,
    Reply,
    with_option,
)
from streamdns.resolver.resolution import question as asked
from streamdns.resolver.resolution.message import Options, Response, RRset, parse, query
from streamdns.resolver.resolution.question import Outcome
from streamdns.resolver.resolution.ready_answers import Message, key_of
from streamdns.resolver.service.admission import Then
from streamdns.resolver.service.flattening import FlatteningAnswerer, OwnAnswerer
from streamdns.resolver.service.recursor import Recursor

_CD = 0x10
_MOST_TEXT = 200
_LEAST_QUERY = 16
_OPT_OCTETS = 11


class RecursiveAnswerer(FlatteningAnswerer):
    """Answers as an Answerer does, and resolves what is not ours for those who may and ask for it (RD).

    RA is set in every reply to those who may, whatever it says.
    """

    def __init__(
        self, policy: Policy, *, cookies: Cookies | None, recursor: Recursor, allowed: Within,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._messages, self._allowed, self._clock = recursor.messages, allowed, clock
        self._message, self._known = recursor.messages.get, recursor.messages.known
        super().__init__(policy, cookies=cookies, recursor=recursor)
        self._end = 0
        self._may = self._leaves = self._ours = False
        self._now_s = 0.0
        self._version = -1

    def configure(self, policy: Policy) -> None:
        """Answer by this policy from now on; not while a snapshot is bound."""
        FlatteningAnswerer.configure(self, policy)
        self._messages.doubt()

    def bind(self, snapshot: Snapshot) -> None:
        """Answer from this snapshot from now on."""
        FlatteningAnswerer.bind(self, snapshot)
        self._now_s = self._clock()
        # Where the view is not complete or may be old, each name goes the long way.
        self._version = snapshot.version() if self._simple else -1

    def unbind(self) -> None:
        """This snapshot is not needed any more: a batch is answered."""
        if self.tally:  # Somebody at once, that is.
            self.recursor.pace.share()
        self._version = -1
        FlatteningAnswerer.unbind(self)

    def reply(self, packet: bytes, tcp: bool, slot: int) -> bytes | None:
        """The reply to one message, None where there is none or it comes later (counted in `deferred`)."""
        client = self.client(slot)
        self._may = self._allowed[client]
        if self._may and self._known and self._version >= 0 and len(packet) > _LEAST_QUERY:
            made = self._at_once(packet, tcp)
            if made is not None:
                return made
        self.asker, self.slot, self._leaves, self._ours = client, slot, False, False
        self.ra = RA if self._may else 0
        made = Answerer.reply(self, packet, tcp, slot)
        if made is None or not self.ra or made[3] & RA:
            return made
        return b"%b%c%b" % (made[:3], made[3] | RA, made[4:])

    def _at_once(self, packet: bytes, tcp: bool) -> bytes | None:
        """The reply to a plain query for what is known of a name that was seen not to be ours in this very state of the
        view; None where the query has to be looked at more closely.
        """
        octets = packet
        size = len(packet)
        counts = octets[4:12]
        opt = b""
        if counts == NO_RECORDS:
            end = size
            found = self._message(octets[HEADER_SIZE : size - 2].lower())
        elif (
            counts == ONLY_OPT
            and size > _LEAST_QUERY + _OPT_OCTETS
            and octets[size - 11 : size - 8] == OPT_HEAD
            and not octets[size - 5] | octets[size - 2] | octets[size - 1]
        ):
            end = size - _OPT_OCTETS
            if octets[size - 4] & 0x80:
                opt = self.opt_do
                found = self._message(octets[HEADER_SIZE : size - 13].lower() + b"\1")
            else:
                opt = self.opt_plain
                found = self._message(octets[HEADER_SIZE : size - 13].lower())
        else:
            return None
        if (
            found is None
            or found.foreign != self._version
            or found.until_s <= self._now_s
            or octets[2] != RD
            or octets[3] & _CD
            or octets[end - 4 : end] != found.question
            or (found.used and self._now_s >= found.refresh_s)
        ):
            return None
        if tcp:
            limit = MAX_MESSAGE
        elif not opt or end + len(found.body) + len(opt) <= MAX_UDP_PLAIN:
            limit = MAX_UDP_PLAIN
        else:
            limit = max(MAX_UDP_PLAIN, min(octets[size - 8] << 8 | octets[size - 7], self._edns_size))
        return self._told(found, packet, end, limit, opt)

    # -- where our own zones end

    def goes_on(self, packet: bytes) -> bool:
        """Whether this client may have a name resolved that is not ours, and asks for it."""
        return self._may and bool(packet[2] & RD)

    def foreign(self, packet: bytes, end: int, limit: int, opt: bytes, key: bytes) -> bytes | None:
        """Resolve a name that is in no zone of the log, unless a listed zone has it."""
        if not self._may or not packet[2] & RD:
            return FlatteningAnswerer.foreign(self, packet, end, limit, opt, key)
        if self.listed is not None and self.deepest_listed(key) >= 0:
            return self.resolve(packet, end, limit, opt)
        return self._elsewhere(packet, end, limit, opt)

    def resolve(self, packet: bytes, end: int, limit: int, opt: bytes, *, any_class: bool = False) -> bytes | None:
        """As an Answerer does it; `finish` sees whether the name leaves our zones."""
        if any_class:
            self._may = False
        self._end = end
        return super().resolve(packet, end, limit, opt, any_class=any_class)

    def find_zone(self, question: Question) -> Zone | None:
        """As an Answerer does it; where there is none, the name or its alias is not ours."""
        zone = FlatteningAnswerer.find_zone(self, question)
        if zone is None:
            self._leaves = True
        else:
            self._ours = True
        return zone

    def answer_delegation(self, question: Question, zone: Zone, reply: Reply) -> None:
        """As an Answerer does it; what is below a cut is not ours."""
        self._leaves = True
        FlatteningAnswerer.answer_delegation(self, question, zone, reply)

    def finish(self, packet: bytes, reply: Reply, qtype: int, opt: bytes) -> bytes | None:
        """The finished message of a reply, unless the resolver has to go on."""
        if self.apex is None and self._leaves and self._may and packet[2] & RD and reply.rcode in (NOERROR, REFUSED):
            return self._elsewhere(packet, self._end, reply.limit + len(opt), opt)
        return FlatteningAnswerer.finish(self, packet, reply, qtype, opt)

    # -- the resolver's side

    def _elsewhere(self, packet: bytes, end: int, limit: int, opt: bytes) -> bytes | None:
        do = bool(opt) and opt[7] & 0x80 != 0
        key = key_of(packet, end, do)
        message = self._message(key)
        if (
            message is not None
            and message.until_s > self._now_s
            and not packet[3] & _CD
            and packet[end - 4 : end] == message.question
            and (message.foreign == self._version >= 0 or not (self._ours or message.chained))
        ):
            message.foreign = self._version
            if message.used and self._now_s >= message.refresh_s:
                message.refresh_s = message.until_s
                qtype = int.from_bytes(packet[end - 4 : end - 2], "big")
                self.recursor.refresh(asked.Question(packet[HEADER_SIZE : end - 4].lower(), qtype, do))
            made = self._told(message, packet, end, limit, opt)
            if made is not None:
                return made
        return self._ask(packet, end, limit, opt, key, do)

    def _told(self, known: Message, packet: bytes, end: int, limit: int, opt: bytes) -> bytes | None:
        """A message as the reply to a query; None where it does not fit."""
        age_s = int(self._now_s - known.made_s)
        if age_s != known.age_s:
            known.age(age_s)
        if end + len(known.body) + len(opt) > limit:
            return None
        known.used = True
        self._messages.hits += 1
        self.tally[known.kind] += 1
        return headed(packet, end, known.start_opt if opt else known.start, known.body, opt)

    def _ask(self, packet: bytes, end: int, limit: int, opt: bytes, key: bytes, do: bool) -> bytes | None:
        qtype = packet[end - 4] << 8 | packet[end - 3]
        if qtype in unusual.NO_DATA_TYPES:
            self._may = False
            return self.resolve(packet, end, limit, opt)
        cd = bool(packet[3] & _CD)
        found = self.recursor.begin(
            asked.Question(packet[HEADER_SIZE : end - 4].lower(), qtype, do, cd), self.asker
        )
        if isinstance(found, Outcome):
            return self._finished(found, packet, end, limit, opt, key)
        self.deferred += 1
        deliver = self.later(self.slot)
        found.join(self.asker, Then(self._send_later, deliver, packet, end, limit, opt, key))
        return None

    def _send_later(
        self, outcome: Outcome, deliver: Deliver, packet: bytes, end: int, limit: int, opt: bytes, key: bytes
    ) -> None:
        """Send the reply to a query that waited; no snapshot is bound then."""
        try:
            self._now_s = self._clock()
            deliver(self._finished(outcome, packet, end, limit, opt, key))
        except Exception as error:  # noqa: BLE001 - the edge: a reply that cannot be made or sent ends this query alone
            self.recursor.fault(error)

    def _finished(self, outcome: Outcome, packet: bytes, end: int, limit: int, opt: bytes, key: bytes) -> bytes:
        """The reply, counted; what may be given out again is kept."""
        do = bool(opt) and opt[7] & 0x80 != 0
        made = reply_of(outcome, packet, end, limit, opt, do=do)
        self.tally[packet[end - 4] << 16 | packet[end - 3] << 8 | outcome.rcode] += 1
        if made[2] & 2:
            self.truncated += 1
        if outcome.ede < 0 and not outcome.own and not packet[3] & _CD and (outcome.answer or outcome.authority):
            whole = reply_of(outcome, packet, end, MAX_MESSAGE, b"", do=do) if opt or made[2] & 2 else made
            if not whole[2] & 2:
                # What it says of other names than the one asked for holds for this state of the view, too: one of them,
                # or a cut above, may be ours in the next. So it does where the name is below a cut of ours.
                chained = any(rrset.owner != outcome.answer[0].owner for rrset in outcome.answer)
                self._messages.put(key, whole, end, self._now_s, foreign=self._version, chained=chained)
        return made


def reply_of(outcome: Outcome, packet: bytes, end: int, limit: int, opt: bytes, *, do: bool) -> bytes:
    """The reply to a client's query whose question ends at `end`; `opt` is b"" without EDNS.

    Whole RRsets, with their signatures for those who set DO; TC where one does not fit. AA and AD are never set.
    """
    reply = Reply(packet, end, limit - len(opt))
    for rrset in outcome.answer:
        reply.answers += _add(reply, rrset, do)
        if reply.truncated:
            break
    else:
        for rrset in outcome.authority:
            reply.authorities += _add(reply, rrset, do)
    if opt and outcome.ede >= 0:
        text = outcome.detail.encode("utf-8", "replace")[:_MOST_TEXT]
        explained = with_option(opt, OPT_EDE, outcome.ede.to_bytes(2, "big") + text)
        if len(reply.out) + len(explained) <= limit:
            opt = explained
    return reply.finish(QR | packet[2] & RD, RA | packet[3] & _CD | outcome.rcode, opt)


def _add(reply: Reply, rrset: RRset, do: bool) -> int:
    added = reply.add_rrset(rrset.owner, rrset.rdtype, pack_records(rrset.rdtype, rrset.ttl_s, rrset.rdatas))
    if not added:
        reply.truncated = True
        return 0
    if do and rrset.signatures:
        signatures = reply.add_rrset(rrset.owner, RRSIG, pack_records(RRSIG, rrset.ttl_s, rrset.signatures))
        if not signatures:
            reply.truncated = True
        added += signatures
    return added


class OwnZones:
    """What our own zones say of a name, for resolutions that come to one; a snapshot is taken for each question."""

    def __init__(self, answerer: OwnAnswerer, take_snapshot: Callable[[], Snapshot]) -> None:
        self.answerer, self._take_snapshot = answerer, take_snapshot

    def __call__(self, qname: bytes, qtype: int) -> Response | None:
        """The response, a referral where the name is below a cut; None where no zone of ours has the name."""
        answerer = self.answerer
        snapshot = self._take_snapshot()
        try:
            answerer.bind(snapshot)
            known = snapshot.ready or answerer.listed is not None
            if known and answerer.find_zone(Question(qname, qtype)) is None:
                return None
            packet = answerer.reply(query(0, qname, qtype, Options(edns_size=0)), True, 0)
        finally:
            answerer.tally.clear()
            answerer.unbind()
            snapshot.close()
        return None if packet is None else parse(packet, bounded=False)
