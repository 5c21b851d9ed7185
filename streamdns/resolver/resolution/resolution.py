"""Resolves one question through the DNS hierarchy, as a state machine: no sockets, no clock, no greenlets.

Whoever drives it sends what it says (`Ask`), and tells it what came of each: a response, a failure, or that it is time
to ask somebody else as well. It ends with an `Outcome`. All times are given, in seconds of one monotonic clock.

A resolution works on jobs: the question itself, and the addresses of name servers that come without glue. A job walks
down one delegation after another; names are shown to servers only as far as they need to know (RFC 9156).
"""

from __future__ import annotations

from collections.abc import Mapping

from streamdns.dns import name as names
from streamdns.dns import rdata
from streamdns.dns.wire import AAAA, BADVERS, CNAME, DNAME, FORMERR, NOERROR, NOTIMP, NXDOMAIN, YXDOMAIN
from streamdns.resolver.resolution import cache as store
from streamdns.resolver.resolution import verdict as says
from streamdns.resolver.resolution.costs import MOST_US
from streamdns.resolver.resolution.job import Job
from streamdns.resolver.resolution.message import Options, Response, RRset
from streamdns.resolver.resolution.question import (
    EDE_CACHED_ERROR,
    EDE_NETWORK,
    EDE_NO_AUTHORITY,
    EDE_OTHER,
    EDE_STALE,
    STRICT,
    Ask,
    Forward,
    Knowledge,
    Local,
    Outcome,
    Question,
)
from streamdns.resolver.resolution.servers import FAILING_S, LAME_S, Address
from streamdns.resolver.resolution.verdict import MAX_CHAIN, Verdict, is_within, judge, labels
from streamdns.resolver.resolution.walk import MAX_NS_NAMES, Walk

__all__ = [
    "EDE_CACHED_ERROR", "EDE_NETWORK", "EDE_NO_AUTHORITY", "EDE_OTHER", "EDE_STALE", "MAX_CHAIN", "MAX_DELEGATIONS",
    "MAX_NS_NAMES", "MAX_PACKETS", "MAX_S", "Ask", "Forward", "Knowledge", "Local", "Outcome", "Question",
    "Resolution", "addresses_of",
]

MAX_DELEGATIONS = 16
MAX_PACKETS = 100
MAX_S = 4.5  # clients have given up after 5 s: what is said then, nobody hears
UDP_TIMEOUT_S = 1.6
TCP_TIMEOUT_S = 2.5
_TCP_AFTER = 2  # time-outs over UDP
_RESORT_TTL_S = 60  # how long what came without authority is kept: those who know better may be back
_SHOWN_WHOLE_AFTER = 2  # queries without a response: perhaps it is the part of the name that is not answered
_CHOKES = (FORMERR, NOTIMP, BADVERS)


class Resolution(Walk):
    """One question. `start`, then whatever happens to what it asks for; `outcome` is set when it is over."""

    # -- what the driver calls

    def start(self, now_s: float) -> list[Ask]:
        """Begins, and says what to ask first."""
        self._ends_s = now_s + MAX_S
        self._now_s = now_s
        self._advance(self._top, now_s)
        return self._take()

    def responded(self, token: int, response: Response, now_s: float) -> list[Ask]:
        """Takes a response whose id, question and source are right."""
        found = self._asked.pop(token, None)
        if found is None:
            return []
        job, ask, step, sent_s = found
        if token not in self._joined:
            # Over TCP it took a round trip to connect, too.
            self._known.servers.answered(ask.address, (now_s - sent_s) / (2 if ask.tcp else 1), ask.zone)
        if not response.case_kept:
            self._known.servers.without_case(ask.address, now_s)
        if self.outcome is not None or job.is_moot(step):
            return []
        self._now_s = now_s
        job.waiting -= 1
        self._heard = True
        if response.truncated and not ask.tcp:
            self._once_over_tcp(job, ask, "truncated", now_s)
            return self._take()
        verdict = judge(
            response, zone=ask.zone, qname=ask.qname, qtype=ask.qtype, forwarded=job.recursive,
            beyond=lambda name: self._known.is_beyond(name, ask.qtype, ask.zone),
        )
        if self._trace is not None:
            self._say(f"{_shown(ask)}: {_told(verdict)}")
        if verdict.kind in (says.LAME, says.BROKEN):
            self._bad(job, ask, response, verdict, now_s)
        else:
            self._good(job, ask, response, verdict, now_s)
        return self._take()

    def failed(self, token: int, why: str, now_s: float, *, unreachable: bool = False) -> list[Ask]:
        """Takes note that no response came, or none that could be read."""
        found = self._asked.pop(token, None)
        if found is None:
            return []
        job, ask, step, _ = found
        address = ask.address
        if not ask.tcp and token not in self._joined:  # Servers without TCP are not dead for that.
            self._known.servers.timed_out(address, now_s, zone=ask.zone, unreachable=unreachable)
        if self.outcome is not None or job.is_moot(step):
            return []
        self._now_s = now_s
        job.waiting -= 1
        job.reasons.append(f"{address.host}: {why}")
        if self._trace is not None:
            self._say(f"{_shown(ask)}: {why}")
        if ask.tcp and address in job.cased:
            # Nobody confirms that it does not keep the case: over UDP once more without, for this question alone.
            job.cased -= {address}
            self._unconfirmed |= {address}
            self._send(job, address, now_s)
            return self._take()
        if unreachable:
            job.unreachable |= {address}
        if unreachable or ask.tcp:
            job.spent |= {address}
        else:
            job.silent[address] = job.silent.get(address, 0) + 1
            if job.silent[address] >= _TCP_AFTER and address not in job.over_tcp and job.resort is None:
                self._once_over_tcp(job, ask, "no response over UDP", now_s)
                return self._take()
        self._next(job, now_s)
        return self._take()

    def distrusted(self, token: int, now_s: float, *, case: bool) -> list[Ask]:
        """Asks again over TCP, where nobody can forge: after wrong replies, or (case) one in another case."""
        found = self._asked.pop(token, None)
        if found is None:
            return []
        job, ask, step, _ = found
        if self.outcome is not None or job.is_moot(step):
            return []
        self._now_s = now_s
        job.waiting -= 1
        if case:
            job.cased |= {ask.address}
        else:
            job.spent |= {ask.address}
        self._once_over_tcp(job, ask, "the case was changed" if case else "wrong replies", now_s)
        return self._take()

    def spent(self, us: int, now_s: float, token: int | None = None) -> None:
        """Adds CPU time that this question has cost; reading the response to a query (`token`) is the server's, too."""
        self.spent_us += us
        found = None if token is None else self._asked.get(token)
        if found is not None and not found[0].recursive:
            ask = found[1]
            self._known.costs.charge(ask.address, ask.zone, us, now_s)
        if self.spent_us > MOST_US and self.outcome is None:
            self._now_s = now_s
            self.limits |= {"work"}
            self._end(self._top, EDE_OTHER, f"its name servers made this cost more than {MOST_US // 1000} ms of work")

    def joined(self, token: int) -> None:
        """The same is on its way for somebody else, who takes what comes of it for what it says of the server."""
        self._joined |= {token}
        self.packets -= 1
        job, ask, *_ = self._asked[token]
        if job.depth and not ask.tcp:
            for each in self._asked_for_names(job, ask.address):
                self._for_names[each] -= 1

    def hurry(self, token: int, now_s: float) -> list[Ask]:
        """Asks another server as well, because a response takes longer than usual; the first good answer wins."""
        found = self._asked.get(token)
        if found is None or self.outcome is not None:
            return []
        job, ask, step, sent_s = found
        if token not in self._joined:
            self._known.servers.slow(ask.address, now_s - sent_s)
        if job.is_moot(step):
            return []
        if job.qtype == AAAA and job.parent is not None and job.parent.children > 1:
            return []  # Its A is looked for as well, and hurries for both: few queries may be sent for such names.
        self._now_s = now_s
        waits: Job | None = job
        sent = self.packets
        # Where nobody is left to ask, perhaps those who wait for this have another way.
        while waits is not None and self.outcome is None and self.packets == sent and not waits.done:
            self._next(waits, now_s, hurried=True)
            waits = waits.parent
        return self._take()

    def expired(self) -> None:
        """Ends the resolution because its time is over."""
        if self.outcome is None:
            self._now_s = max(self._now_s, self._ends_s)
            reasons = "; ".join(dict.fromkeys(self._top.reasons[-3:]))
            self.limits |= {"time"}
            detail = f"no answer within {MAX_S:g} s" + (f" ({reasons})" if reasons else "")
            self._give_up(self._top, detail)
            self._give_up(self._top, detail)  # What was said without authority may only have led further.

    @property
    def goes_on(self) -> bool:
        """Whether there is more to do that needs no answer from anybody: see `go_on`."""
        return bool(self._ready) and self.outcome is None

    def go_on(self, now_s: float) -> list[Ask]:
        """Moves one job that waited for another, where the work is done in pieces."""
        self._now_s = now_s
        self._move_one()
        return self._take()

    def _take(self) -> list[Ask]:
        """What is to be sent now, after every job that waited for another has had its turn, unless `in_pieces`."""
        while self.goes_on and not self.in_pieces:
            self._move_one()
        out, self._out = self._out, []
        return [] if self.outcome is not None else out

    def _move_one(self) -> None:
        if self.goes_on:
            job = self._ready.pop()
            if not job.is_moot(job.step) and job.zone is not None:
                self._next(job, self._now_s, resumed=True)

    # -- what is sent

    def _send(self, job: Job, address: Address, now_s: float, *, tcp: bool = False) -> None:
        if self.packets >= MAX_PACKETS:
            self.limits |= {"packets"}
            self._give_up(self._top, f"more than {MAX_PACKETS} queries")
            return
        # What goes on over TCP where a server has answered, cut or in another case, is not one query more.
        counts = job.depth and not (tcp and not job.silent.get(address))
        if counts and not self._may_send_for_names(job, address):
            return
        known = self._known
        server = known.servers.of(address)
        self.packets += 1
        self._tokens += 1
        asked_before = job.asks.get(address, 0)
        qname, qtype = job.asked_name()
        perhaps = asked_before >= _SHOWN_WHOLE_AFTER and not job.bad and address not in job.over_tcp
        if perhaps and known.minimisation != STRICT:
            qname, qtype = job.qname, job.qtype
        edns = 0 if server.no_edns_until_s > now_s else known.edns_size
        options = Options(edns, bool(edns) and self.question.do, self.question.cd, job.recursive)
        left_s = max(0.05, self._ends_s - now_s)
        ask = Ask(
            self._tokens, address, job.zone or b"\0", qname, qtype, options, tcp,
            not known.mixed_case or server.no_case_until_s > now_s or address in self._unconfirmed,
            known.servers.patience_s(address),
            min(TCP_TIMEOUT_S if tcp else UDP_TIMEOUT_S, left_s),
        )
        known.servers.tried(address, ask.zone, now_s + ask.timeout_s)
        job.asks[address] = asked_before + 1
        job.waiting += 1
        self._asked[ask.token] = (job, ask, job.step, now_s)
        self._out.append(ask)

    def _once_over_tcp(self, job: Job, ask: Ask, why: str, now_s: float) -> None:
        if ask.address in job.over_tcp:
            self._next(job, now_s)
            return
        if self._trace is not None:
            self._say(f"{_shown(ask)}: {why}, again over TCP")
        job.over_tcp |= {ask.address}
        self._send(job, ask.address, now_s, tcp=True)

    # -- what bad responses lead to

    def _bad(self, job: Job, ask: Ask, response: Response, found: Verdict, now_s: float) -> None:
        servers, address = self._known.servers, ask.address
        chokes = response.rcode in _CHOKES
        if chokes and ask.options.edns_size:
            servers.without_edns(address, now_s)
            self._send(job, address, now_s)
            return
        if chokes:
            servers.with_edns(address)
        job.spent |= {address}
        minimised = ask.qname != job.qname
        job.bad = job.bad or minimised
        if found.kind == says.LAME or not job.recursive:  # What a forwarder cannot answer may be for the name to blame.
            for_s = LAME_S if found.kind == says.LAME and not (minimised or job.recursive) else FAILING_S
            servers.lame(address, ask.zone, now_s, for_s=for_s)
        job.reasons.append(f"{address.host}: {found.reason}")
        if found.resort is not None and not minimised and (
                job.resort is None or found.resort.rank > job.resort[2].rank):
            job.resort = ask, response, found.resort
        self._next(job, now_s)

    def _take_resort(self, job: Job, ask: Ask, response: Response, found: Verdict) -> None:
        rrsets = tuple([rrset._replace(ttl_s=min(rrset.ttl_s, _RESORT_TTL_S)) for rrset in found.rrsets])
        self._good(job, ask, response, found._replace(rrsets=rrsets), self._now_s)

    # -- what good responses lead to

    def _good(self, job: Job, ask: Ask, response: Response, found: Verdict, now_s: float) -> None:
        if ask.qname != job.qname:
            job.minimised += 1
        if found.kind == says.REFERRAL:
            job.referrals += 1
            if job.referrals > MAX_DELEGATIONS:
                self.limits |= {"delegations"}
                self._give_up(job, f"more than {MAX_DELEGATIONS} delegations")
                return
            self._go_down(job, found, now_s, cached=not job.recursive)
            self._advance(job, now_s)
            return
        if ask.qname != job.qname:
            strict = self._known.minimisation == STRICT
            if strict and found.kind == says.NO_NAME:
                self._negative(job, found.rrsets, ask.zone, now_s, nxdomain=True)  # Neither is what is below it.
                return
            # Only a name on the way: it is there, or a server is wrong about it (an empty non-terminal).
            job.new_step()
            job.whole = not strict and found.kind in (says.NO_NAME, says.ALIAS, says.TOO_LONG)
            job.show_more(labels(ask.qname))
            self._next(job, now_s)
            return
        rrsets = tuple([rrset if rrset.ttl_s <= store.MAX_TTL_S else rrset._replace(ttl_s=store.MAX_TTL_S)
                        for rrset in found.rrsets])
        if found.kind in (says.NO_DATA, says.NO_NAME):
            self._negative(job, rrsets, ask.zone, now_s, nxdomain=found.kind == says.NO_NAME)
            return
        trusted = response.authoritative or job.recursive
        self._keep(rrsets, ask.zone, now_s, trust=store.ANSWER if trusted else store.ANSWER_NOT_AUTHORITATIVE)
        links = sum(rrset.rdtype == CNAME for rrset in rrsets) if job.qtype != CNAME else 0
        if found.kind == says.ALIAS:
            job.chain += rrsets
            if self._go_on_with(job, found.target, links):
                self._advance(job, now_s)
        elif job.aliases + links > MAX_CHAIN and len(rrsets) > 1:
            self.limits |= {"aliases"}
            self._end(job, EDE_OTHER, f"more than {MAX_CHAIN} aliases")
        else:
            self._finish(job, YXDOMAIN if found.kind == says.TOO_LONG else NOERROR, rrsets, ())

    def _keep(self, rrsets: tuple[RRset, ...], zone: bytes, now_s: float, *, trust: int) -> None:
        dname = b""
        for rrset in rrsets:
            # A CNAME that was made of the DNAME before it is made again of that.
            if not dname or rrset.rdtype != CNAME or rrset.owner == dname or not is_within(rrset.owner, dname):
                self._known.cache.put(
                    rrset.owner, rrset.rdtype, rrset.rdatas, trust=trust, ttl_s=rrset.ttl_s, now_s=now_s,
                    signatures=rrset.signatures, do=self.question.do, zone=zone,
                )
            dname = rrset.owner if rrset.rdtype == DNAME else b""

    def _negative(self, job: Job, rrsets: tuple[RRset, ...], zone: bytes, now_s: float, *, nxdomain: bool) -> None:
        if rrsets:
            soa, *proof = rrsets
            minimum = int.from_bytes(soa.rdatas[0][-4:], "big")
            ttl_s = min(soa.ttl_s, minimum if minimum <= 0x7FFFFFFF else 0, store.MAX_NEGATIVE_TTL_S)
            self._known.cache.put_negative(
                job.qname, job.qtype, store.NXDOMAIN if nxdomain else store.NODATA, soa_owner=soa.owner,
                soa=soa.rdatas, ttl_s=ttl_s, now_s=now_s, signatures=soa.signatures, do=self.question.do,
                proof=tuple(proof), zone=zone,
            )
            rrsets = (soa._replace(ttl_s=ttl_s), *proof)
        self._finish(job, NXDOMAIN if nxdomain else NOERROR, (), rrsets)


def _shown(ask: Ask) -> str:
    asked = f"{names.to_text(ask.qname)} {rdata.type_to_text(ask.qtype)}"
    return f"{ask.address.host} ({names.to_text(ask.zone)}) for {asked}{' over TCP' if ask.tcp else ''}"


def _told(found: Verdict) -> str:
    if found.kind == says.REFERRAL:
        cut, *glue = found.rrsets
        addresses = sum(len(rrset.rdatas) for rrset in glue)
        return f"referral to {names.to_text(cut.owner)}, servers: {len(cut.rdatas)}, addresses: {addresses}"
    if found.kind == says.ALIAS:
        return f"an alias of {names.to_text(found.target)}"
    return f"{found.kind}: {found.reason}" if found.reason else found.kind


def addresses_of(hosts: Mapping[bytes, tuple[str, ...]], port: int = 53) -> tuple[Address, ...]:
    """Root hints as addresses."""
    return tuple(Address(host, port) for each in hosts.values() for host in each)
