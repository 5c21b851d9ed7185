"""One question on its way through the hierarchy, as a state machine: no sockets, no clock, no greenlets.

Whoever drives it sends what it says (`Ask`), and tells it what came of each: a response, a failure, or that it is time
to ask somebody else as well. It ends with an `Outcome`. All times are given, in seconds of one monotonic clock.

A resolution works on jobs: the question itself, and the addresses of name servers that come without glue. A job walks
down one delegation after another; names are shown to servers only as far as they need to know (RFC 9156).
"""

from __future__ import annotations

from collections.abc import Mapping

from streamdns.dns.wire import DNAME, NOERROR, NXDOMAIN, SOA
from streamdns.resolver import cache as store
from streamdns.resolver import verdict as says
from streamdns.resolver.job import Job
from streamdns.resolver.message import Options, Response, RRset
from streamdns.resolver.question import (
    EDE_NETWORK,
    EDE_NO_AUTHORITY,
    EDE_OTHER,
    EDE_STALE,
    Ask,
    Forward,
    Knowledge,
    Local,
    Outcome,
    Question,
)
from streamdns.resolver.servers import Address
from streamdns.resolver.verdict import Verdict, judge
from streamdns.resolver.walk import ASKS_EACH, MAX_NS_NAMES, Walk

__all__ = [
    "EDE_NETWORK", "EDE_NO_AUTHORITY", "EDE_OTHER", "EDE_STALE", "MAX_NS_NAMES", "MAX_PACKETS", "MAX_S", "Ask",
    "Forward", "Knowledge", "Local", "Outcome", "Question", "Resolution", "addresses_of",
]

MAX_DELEGATIONS = 16
MAX_PACKETS = 100
MAX_S = 5.0
UDP_TIMEOUT_S = 1.6
TCP_TIMEOUT_S = 2.5


class Resolution(Walk):
    """One question. `start`, then whatever happens to what it asks for; `outcome` is set when it is over."""

    # -- what the driver calls

    def start(self, now_s: float) -> list[Ask]:
        """What to ask first."""
        self._ends_s = now_s + MAX_S
        self._now_s = now_s
        self._advance(self._top, now_s)
        return self._take()

    def responded(self, token: int, response: Response, now_s: float) -> list[Ask]:
        """A response with the right id, question and source came."""
        self._now_s = now_s
        found = self._asked.pop(token, None)
        if found is None:
            return []
        job, ask, step, sent_s = found
        servers = self._known.servers
        servers.answered(ask.address, now_s - sent_s)
        if self.outcome is not None or job.done or step != job.step:
            return []
        job.waiting -= 1
        job.heard = True
        if response.truncated and not ask.tcp:
            self._say(f"{_shown(ask)}: truncated, again over TCP")
            self._send(job, ask.address, now_s, tcp=True)
            return self._take()
        found_out = judge(response, zone=job.zone or b"\0", qname=ask.qname, qtype=ask.qtype, forwarded=job.recursive)
        self._say(f"{_shown(ask)}: {found_out.kind} {found_out.reason}")
        if found_out.kind == says.BROKEN and ask.options.edns_size and not response.edns:
            servers.without_edns(ask.address, now_s)
            self._send(job, ask.address, now_s)
        elif found_out.kind in (says.LAME, says.BROKEN):
            servers.lame(ask.address, job.zone or b"\0", now_s)
            job.asks[ask.address] = ASKS_EACH
            job.reasons.append(f"{ask.address.host}: {found_out.reason}")
            self._next(job, now_s)
        else:
            self._good(job, ask, found_out, now_s)
        return self._take()

    def failed(self, token: int, why: str, now_s: float, *, unreachable: bool = False) -> list[Ask]:
        """No response came, or none that could be read."""
        self._now_s = now_s
        found = self._asked.pop(token, None)
        if found is None:
            return []
        job, ask, step, _ = found
        servers = self._known.servers
        servers.timed_out(ask.address, now_s, unreachable=unreachable)
        if self.outcome is not None or job.done or step != job.step:
            return []
        job.waiting -= 1
        job.reasons.append(f"{ask.address.host}: {why}")
        self._say(f"{_shown(ask)}: {why}")
        if unreachable or ask.tcp:
            job.asks[ask.address] = ASKS_EACH
        elif job.asks.get(ask.address, 0) >= ASKS_EACH:
            self._send(job, ask.address, now_s, tcp=True)
            return self._take()
        self._next(job, now_s)
        return self._take()

    def distrusted(self, token: int, now_s: float, *, case: bool) -> list[Ask]:
        """Replies came that may be forged, or (case) the server does not keep case: over TCP nobody can forge."""
        self._now_s = now_s
        found = self._asked.pop(token, None)
        if found is None:
            return []
        job, ask, step, _ = found
        if case:
            self._known.servers.without_case(ask.address, now_s)
        if self.outcome is not None or job.done or step != job.step:
            return []
        job.waiting -= 1
        self._say(f"{_shown(ask)}: {'the case was changed' if case else 'wrong replies'}, again over TCP")
        self._send(job, ask.address, now_s, tcp=True)
        return self._take()

    def hurry(self, token: int, now_s: float) -> list[Ask]:
        """A response takes longer than usual: somebody else is asked, the first good answer wins."""
        self._now_s = now_s
        found = self._asked.get(token)
        if found is None or self.outcome is not None:
            return []
        job, _, step, _ = found
        if not job.done and step == job.step:
            self._known.servers.slow(found[1].address, now_s - found[3])
            self._next(job, now_s, hurried=True)
        return self._take()

    def expired(self) -> None:
        """The time for the whole question is over."""
        if self.outcome is None:
            heard = self._top.heard
            self._end(self._top, EDE_NO_AUTHORITY if heard else EDE_NETWORK, f"no answer within {MAX_S:g} s")

    def _take(self) -> list[Ask]:
        """What is to be sent now, after every job that waited for another has had its turn."""
        while self._ready and self.outcome is None:
            job = self._ready.pop()
            if not job.done:
                self._next(job, self._now_s)
        out, self._out = self._out, []
        return [] if self.outcome is not None else out

    # -- what is sent

    def _send(self, job: Job, address: Address, now_s: float, *, tcp: bool = False) -> None:
        if self.packets >= MAX_PACKETS:
            self._end(self._top, EDE_OTHER, f"more than {MAX_PACKETS} queries")
            return
        known = self._known
        server = known.servers.of(address)
        self.packets += 1
        self._tokens += 1
        qname, qtype = job.asked_name()
        edns = 0 if server.no_edns_until_s > now_s else known.edns_size
        options = Options(edns, bool(edns) and self.question.do, self.question.cd, job.recursive)
        left_s = max(0.05, self._ends_s - now_s)
        ask = Ask(
            self._tokens, address, job.zone or b"\0", qname, qtype, options, tcp,
            server.no_case_until_s > now_s, known.servers.patience_s(address),
            min(TCP_TIMEOUT_S if tcp else UDP_TIMEOUT_S, left_s),
        )
        job.asks[address] = job.asks.get(address, 0) + 1
        job.waiting += 1
        self._asked[ask.token] = (job, ask, job.step, now_s)
        self._out.append(ask)

    # -- what good responses lead to

    def _good(self, job: Job, ask: Ask, found: Verdict, now_s: float) -> None:
        if found.kind == says.REFERRAL:
            job.referrals += 1
            if job.referrals > MAX_DELEGATIONS:
                self._end(job, EDE_OTHER, f"more than {MAX_DELEGATIONS} delegations")
                return
            self._go_down(job, found, now_s, cached=True)
            self._advance(job, now_s)
            return
        if ask.qname != job.qname:
            # Only a name on the way: it is there, or a server is wrong about it (an empty non-terminal).
            self._new_step(job)
            if found.kind in (says.NO_NAME, says.ALIAS):
                job.whole = True
            else:
                job.minimised += 1
            job.shown = 0
            job.show_more(ask.qname)
            self._next(job, now_s)
            return
        self._keep(found.rrsets, job, now_s)
        if found.kind == says.ANSWER:
            self._finish(job, NOERROR, found.rrsets, ())
        elif found.kind == says.ALIAS:
            job.chain += found.rrsets
            if self._go_on_with(job, found.target):
                self._advance(job, now_s)
        else:
            self._negative(job, found, now_s)

    def _keep(self, rrsets: tuple[RRset, ...], job: Job, now_s: float) -> None:
        made = b""
        for rrset in rrsets:
            # A CNAME that was made of the DNAME before it is made again of that.
            if rrset.owner != made and (rrset.rdtype != SOA or rrset.owner == job.qname):
                self._known.cache.put(
                    rrset.owner, rrset.rdtype, rrset.rdatas, trust=store.ANSWER, ttl_s=rrset.ttl_s, now_s=now_s,
                    signatures=rrset.signatures,
                )
            made = job.qname if rrset.rdtype == DNAME and rrset.owner != job.qname else b""

    def _negative(self, job: Job, found: Verdict, now_s: float) -> None:
        nxdomain = found.kind == says.NO_NAME
        ttl_s = 0
        if found.rrsets:
            (soa,) = found.rrsets
            minimum = int.from_bytes(soa.rdatas[0][-4:], "big")
            ttl_s = min(soa.ttl_s, minimum, store.MAX_NEGATIVE_TTL_S)
            self._known.cache.put_negative(
                job.qname, job.qtype, store.NXDOMAIN if nxdomain else store.NODATA, soa_owner=soa.owner,
                soa=soa.rdatas, ttl_s=ttl_s, now_s=now_s, signatures=soa.signatures,
            )
            found = found._replace(rrsets=(soa._replace(ttl_s=ttl_s),))
        self._finish(job, NXDOMAIN if nxdomain else NOERROR, (), found.rrsets)


def _shown(ask: Ask) -> str:
    return f"{ask.address.host} for {ask.qname!r} {ask.qtype}"


def addresses_of(hosts: Mapping[bytes, tuple[str, ...]], port: int = 53) -> tuple[Address, ...]:
    """Root hints as addresses."""
    return tuple(Address(host, port) for each in hosts.values() for host in each)
