"""Resolves the target of a CNAME at an apex of ours, so that its addresses are answered as the apex's own (flattening).

They are data of our zone, so whoever asks for them gets them, also those for whom no names are resolved.
"""

from __future__ import annotations

from typing import NamedTuple

from streamdns.dns.answer import Answerer, Deliver
from streamdns.dns.cookies import Cookies
from streamdns.dns.lookup import Policy, Question, Zone, from_key
from streamdns.dns.node import pack_records
from streamdns.dns.wire import CNAME, NOERROR, NXDOMAIN, SERVFAIL, SOA, Reply
from streamdns.resolver.resolution import question as asked
from streamdns.resolver.resolution.question import Outcome
from streamdns.resolver.resolution.stale import EDE_STALE_NXDOMAIN
from streamdns.resolver.service.admission import Then
from streamdns.resolver.service.recursor import Recursor

_NOT_FOUND, _STALE = b"the addresses behind this name cannot be found out now", b"as they were known last"
_STALE_CODES = (asked.EDE_STALE, EDE_STALE_NXDOMAIN)


class _Apex(NamedTuple):
    """The apex and type as they were asked for, and its zone's SOA for the case that there are no addresses."""

    wire: bytes
    qtype: int
    zone: bytes
    soa: bytes


class FlatteningAnswerer(Answerer):
    """An Answerer that asks the resolver for the addresses of a CNAME at an apex.

    `asker` is the client's address, `slot` the one that was passed to reply(), `ra` what goes into the header of a
    reply that comes later; whoever inherits from this sets them.
    """

    def __init__(self, policy: Policy, *, cookies: Cookies | None, recursor: Recursor) -> None:
        super().__init__(policy, cookies=cookies)
        self.recursor = recursor
        self.asker = b""
        self.slot = 0
        self.apex: _Apex | None = None

    def flatten_elsewhere(self, question: Question, target: bytes, ttl_s: int, zone: Zone, reply: Reply) -> None:
        """Leave it to `finish`."""
        self.apex = _Apex(question.wire, question.qtype, from_key(zone.key), self.negative_soa(zone))

    def finish(self, packet: bytes, reply: Reply, qtype: int, opt: bytes) -> bytes | None:
        """The finished message; None where it comes later."""
        apex, self.apex = self.apex, None
        if apex is None:
            return Answerer.finish(self, packet, reply, qtype, opt)
        # Asked for by the name that is ours, so that what is done with foreign names is not done with this.
        recursor = self.recursor
        found = recursor.begin(asked.Question(apex.wire.lower(), qtype), self.asker, recursor.for_own_names)
        if isinstance(found, Outcome):
            self._fill(reply, apex, found)
            return Answerer.finish(self, packet, reply, qtype, opt)
        self.deferred += 1
        deliver = self.later(self.slot)
        found.join(self.asker, Then(self._send_flattened, deliver, apex, packet, reply, opt, self.ra))
        return None

    def _send_flattened(
        self, outcome: Outcome, deliver: Deliver, apex: _Apex, packet: bytes, reply: Reply, opt: bytes, ra: int
    ) -> None:
        """Send the reply to a query that waited for the addresses."""
        try:
            self._fill(reply, apex, outcome)
            made = Answerer.finish(self, packet, reply, apex.qtype, opt)
            if made is not None:
                deliver(b"%b%c%b" % (made[:3], made[3] | ra, made[4:]))
        except Exception as error:  # noqa: BLE001 - the edge: a reply that cannot be made or sent ends this query alone
            self.recursor.fault(error)

    def _fill(self, reply: Reply, apex: _Apex, outcome: Outcome) -> None:
        """The addresses with the lowest TTL on the way to them, or that there are none."""
        if outcome.ede >= 0:
            # Anybody may ask: whom we ask, and what they say, is for our own clients.
            reply.ede = (outcome.ede, _STALE if outcome.ede in _STALE_CODES else _NOT_FOUND)
        if outcome.rcode not in (NOERROR, NXDOMAIN):
            reply.rcode = SERVFAIL
            return
        qtype = apex.qtype
        found = next((rrset for rrset in outcome.answer if rrset.rdtype == qtype), None)
        if found is None:
            added = reply.add_rrset(apex.zone, SOA, apex.soa)
            reply.authorities += added
        else:
            records = pack_records(qtype, min(rrset.ttl_s for rrset in outcome.answer), found.rdatas)
            added = reply.add_rrset(apex.wire, qtype, self.rotated(records) if self.policy.rotate else records)
            reply.answers += added
        if not added:
            reply.truncated = True


class OwnAnswerer(Answerer):
    """The Answerer for the resolver itself: a CNAME at an apex that leads out of our zones stays an alias."""

    def flatten_elsewhere(self, question: Question, target: bytes, ttl_s: int, zone: Zone, reply: Reply) -> None:
        """One CNAME to where our zones end."""
        reply.answers += reply.add_rrset(question.wire, CNAME, pack_records(CNAME, ttl_s, (target,)))
