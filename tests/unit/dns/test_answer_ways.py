"""Replies that are put together from stored RRsets say the same as those that are made in the general way."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import pytest

from streamdns.dns import unusual
from streamdns.dns.answer import Answerer
from tests.unit.dns.answering import Memory, answerer, zones

_LABELS = ("a", "b", "www", "*", r"x\000y", r"q\.r", "ns", "A-Long-Label-Of-Thirty-Six-Octets-ok")
_TYPES = ("A", "AAAA", "MX", "NS", "SOA", "TXT", "SRV", "CNAME", "PTR", "HTTPS", "DNAME", "DS", "ANY", "RRSIG",
          "NSEC", "SPF")
_OPTIONS: tuple[dict[str, Any], ...] = (
    {"use_edns": 0, "payload": 1232}, {"use_edns": 0, "payload": 512, "want_dnssec": True}, {},
)
_APEXES = ("example.", "sub.example.", "other.test.", "b.sub.example.")
_FOREIGN = ("mail.elsewhere.invalid.", "x.invalid.", ".")


def _name(rng: random.Random) -> str:
    apex = rng.choice(_APEXES)
    return "".join(f"{rng.choice(_LABELS)}." for _ in range(rng.choice((0, 1, 1, 1, 2, 2, 3)))) + apex


class _Zones:
    """The text of random zones, with many names that lead to one another, and the names in it."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.names = [*dict.fromkeys(_name(rng) for _ in range(25))]
        apexes = [apex for apex in _APEXES if rng.random() < 0.8] + (["."] if rng.random() < 0.15 else [])
        self.text = "\n".join(dict.fromkeys([*self._bounds(apexes), *self._others()]))

    def _target(self) -> str:
        return self._rng.choice((*self.names, *self.names, *_FOREIGN, *_APEXES))

    def _bounds(self, apexes: list[str]) -> Iterator[str]:
        rng = self._rng
        for apex in apexes:
            mname = rng.choice((f"ns.{apex}".replace("..", "."), "ns1.provider.net.", self._target()))
            rname = rng.choice((f"host.{apex}".replace("..", "."), "host.provider.net.", "r.elsewhere.org.", mname))
            yield f"{apex} {rng.choice((60, 600))} SOA {mname} {rname} 1 2 3 4 {rng.choice((30, 300))}"
            for _ in range(rng.randrange(3)):
                yield f"{apex} 300 NS {self._target()}"
        for name in rng.sample(self.names, 4):
            for _ in range(rng.randrange(1, 4)):
                yield f"{name} 300 NS {rng.choice((self._target(), f'ns{rng.randrange(3)}.{name}'))}"
        if rng.random() < 0.3:
            yield f"{rng.choice(self.names)} 300 DNAME {self._target()}"

    def _others(self) -> Iterator[str]:
        rng = self._rng
        for name in self.names:
            if rng.random() < 0.3:
                yield f"{name} 300 CNAME {self._target()}"
                if rng.random() < 0.8:
                    continue
            for rdtype in rng.sample(
                ("A", "A", "AAAA", "MX", "TXT", "SRV", "PTR", "HTTPS", "RRSIG", "NSEC"), rng.randrange(4)
            ):
                for number in range(rng.choice((1, 1, 2, 5))):
                    yield f"{name} 300 {rdtype} {self._content(rdtype, number)}"
        for name in rng.sample(self.names, 3):
            yield f"ns0.{name} 300 A 192.0.2.77"
            yield f"{name} 300 TXT {' '.join(chr(34) + 'x' * rng.choice((20, 200)) + chr(34) for _ in range(4))}"

    def _content(self, rdtype: str, number: int) -> str:
        return {
            "A": f"192.0.2.{number}", "AAAA": f"2001:db8::{number}", "MX": f"{number} {self._target()}",
            "TXT": f'"text {number}"', "SRV": f"{number} 1 53 {self._target()}", "PTR": self._target(),
            "HTTPS": f"{number + 1} {self._target()}", "NSEC": f"{self._target()} A TYPE{number + 1000}",
            "RRSIG": f"A 8 2 300 20300101000000 20290101000000 {number} example. AAAA",
        }[rdtype]


def _said(wire: bytes) -> dict[str, Any]:
    reply = dns.message.from_wire(wire)
    said: dict[str, Any] = {"rcode": reply.rcode(), "flags": reply.flags, "edns": reply.edns, "options": reply.options}
    for name, section in zip(("answer", "authority", "additional"), reply.sections[1:], strict=True):
        said[name] = sorted(
            (rrset.name.to_text().lower(), rrset.rdtype, rrset.ttl, each.to_text())
            for rrset in section for each in rrset
        )
    return said


def _both(made: Answerer, packet: bytes, *, tcp: bool) -> tuple[bytes, bytes, tuple[Any, ...], tuple[Any, ...]]:
    """The reply as it is made, and in the general way, each with what was counted."""
    replies, counted = [], []
    for is_simple in (True, False):
        made._simple = is_simple
        made.tally.clear()
        made.truncated = 0
        reply = made.reply(packet, tcp, 0)
        assert reply is not None
        replies.append(reply)
        counted.append((dict(made.tally), made.truncated))
    return replies[0], replies[1], counted[0], counted[1]


@pytest.mark.parametrize("is_outdated", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_both_ways_say_the_same(seed: int, is_outdated: bool) -> None:
    """Also from a view that an older version made, which serves until it is made anew."""
    rng = random.Random(seed + 100 * is_outdated)
    zones = _Zones(rng)
    made = answerer(Memory(zones.text, is_outdated=is_outdated))
    names = [*zones.names, *_APEXES, *(f"{rng.choice(_LABELS)}.{name}" for name in zones.names), "elsewhere.", "."]
    for name in names:
        for rdtype in rng.sample(_TYPES, 5):
            packet = dns.message.make_query(name, rdtype, **rng.choice(_OPTIONS)).to_wire()
            tcp = rng.random() < 0.2
            quick, general, quick_counted, general_counted = _both(made, packet, tcp=tcp)
            assert _said(quick) == _said(general), (name, rdtype, zones.text)
            assert quick_counted == general_counted, (name, rdtype)


@pytest.mark.plain
@pytest.mark.parametrize("options", [{}, {"use_edns": 0}, {"use_edns": 0, "payload": 512, "want_dnssec": True}])
@pytest.mark.parametrize("listed", [None, zones("example", "other", "third", "deep.listed.other")])
def test_the_common_kinds_do_not_take_the_general_way(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], listed: frozenset[bytes] | None
) -> None:
    """Each kind of the benchmark, and SOAs with names from elsewhere, is answered without it, with EDNS and without."""
    made = answerer("""
        example. 60 SOA ns1.provider.net. host.provider.net. 1 2 3 4 60
        example. 60 NS ns1.provider.net.
        example. 60 NS ns2.provider.net.
        example. 60 MX 10 mail.example.
        example. 60 MX 20 deep.down.example.
        mail.example. 60 A 192.0.2.1
        alias.example. 60 CNAME mail.example.
        far.example. 60 CNAME alias.example.
        *.wild.example. 60 CNAME far.example.
        *.mx.example. 60 MX 10 mail.example.
        gone.example. 60 CNAME nothing.example.
        out.example. 60 CNAME mail.elsewhere.invalid.
        sub.example. 60 NS ns.sub.example.
        ns.sub.example. 60 AAAA 2001:db8::1
        deep.down.example. 60 A 192.0.2.1
        other. 60 SOA ns.other. host.provider.net. 1 2 3 4 60
        to.other. 60 CNAME far.example.
        third. 60 SOA ns.provider.net. host.third. 1 2 3 4 60
    """, zones=listed)

    def general(*_: Any, **__: Any) -> bytes:
        raise AssertionError("the general way")

    monkeypatch.setattr(made, "resolve", general)
    monkeypatch.setattr(unusual, "reply", general)
    monkeypatch.setattr(unusual, "options", general)
    for name, rdtype, rcode, answers in (
        ("example.", "NS", 0, 2), ("example.", "MX", 0, 2), ("example.", "SOA", 0, 1), ("example.", "A", 0, 0),
        ("alias.example.", "A", 0, 2), ("far.example.", "A", 0, 3), ("far.example.", "AAAA", 0, 2),
        ("x.wild.example.", "A", 0, 4), ("y.z.wild.example.", "TXT", 0, 3), ("y.mx.example.", "MX", 0, 1),
        ("gone.example.", "A", 3, 1), ("www.sub.example.", "A", 0, 0), ("sub.example.", "A", 0, 0),
        ("out.example.", "A", 0, 1),
        ("nothing.example.", "HTTPS", 3, 0), ("down.example.", "SRV", 0, 0), ("x.other.", "A", 3, 0),
        ("to.other.", "AAAA", 0, 3), ("x.third.", "A", 3, 0), ("alias.example.", "CNAME", 0, 1),
        ("SUB.example.", "DS", 0, 0), ("mail.example.", "DS", 0, 0),
        ("mail.example.", "ANY", 0, 1), ("down.example.", "ANY", 0, 0), ("nothing.example.", "ANY", 3, 0),
        ("mail.example.", "RRSIG", 0, 0), ("mail.example.", "NSEC", 0, 0), ("www.sub.example.", "RRSIG", 0, 0),
        ("elsewhere.", "A", 5, 0), ("a.elsewhere.", "ANY", 5, 0),
    ):
        wire = made.reply(dns.message.make_query(name, rdtype, **options).to_wire(), False, 0)
        assert wire is not None
        reply = dns.message.from_wire(wire)
        assert (reply.rcode(), sum(map(len, reply.answer))) == (rcode, answers), (name, rdtype)
        assert bool(reply.flags & dns.flags.AA) == ("sub" not in name and rcode != 5)


@pytest.mark.parametrize("length", [0, 1, 199, 255])
@pytest.mark.parametrize("listed", [None, zones("example")])
def test_whoever_is_refused_is_told_why_in_both_ways(length: int, listed: frozenset[bytes] | None) -> None:
    """However long the name is, and what else is answered: AA is not set, and EDE 20 is there with EDNS."""
    made = answerer(Memory("example. 60 SOA a. b. 1 2 3 4 60"), zones=listed, instance_id=b"x" * length)
    options = [dns.edns.GenericOption(3, b""), dns.edns.GenericOption(10, b"8 octets"), dns.edns.GenericOption(11, b"")]
    for labels in (1, 60, 119):
        for number in range(4):
            for tcp in (False, True):
                query = dns.message.make_query(
                    "a." * labels + "invalid.", "A", use_edns=0 if number else -1, payload=512,
                    want_dnssec=number == 2, options=options[: max(number - 1, 0)],
                )
                quick, general, quick_counted, general_counted = _both(made, query.to_wire(), tcp=tcp)
                assert quick == general
                assert quick_counted == general_counted == ({1 << 8 | 5: 1}, 0)
                reply = dns.message.from_wire(quick)
                assert reply.rcode() == dns.rcode.REFUSED
                assert not reply.flags & dns.flags.AA
                assert bool(reply.options) is bool(number)
                assert all(option.code == 20 for option in reply.options if isinstance(option, dns.edns.EDEOption))
