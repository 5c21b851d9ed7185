"""Scenarios with bad servers: slow, dead, lame, or failing at certain queries."""

from __future__ import annotations

import dns.rcode

from tests.harness.misbehaving import HANGS, REFUSES, Host
from tests.harness.scenarios import scripts
from tests.harness.scenarios.build import Place, data, one_of, servers
from tests.harness.scenarios.scenario import Scenario, Step

_REFUSED, _FORMERR, _NOTIMP, _SERVFAIL = (
    scripts.with_rcode(each) for each in (dns.rcode.REFUSED, dns.rcode.FORMERR, dns.rcode.NOTIMP, dns.rcode.SERVFAIL)
)


def _failing(name: str, about: str, *given: scripts.Script | Host, **more: object) -> Scenario:
    place = Place()
    hosts = tuple(place.at(number) for number in range(1, len(given) + 1))
    return servers(
        name, about, *given, place=place, steps=[Step(f"www.{name}.org", right=("SERVFAIL",))], counted=hosts,
        **more,  # type: ignore[arg-type]
    )


def _stale() -> Scenario:
    place = Place()
    name = "www.stale.org"
    script = scripts.phases(scripts.answering("192.0.2.1", ttl=1), scripts.silent, scripts.answering("192.0.2.2"))
    return servers(
        "stale", "answers with TTL 1, then falls silent, then comes back with another answer", script, place=place,
        steps=[
            Step(name),
            Step(name, phase=1, ttl_s=(0, 30), after_s=2.5),
            Step(name, right=("192.0.2.2",), phase=2, again_s=20),
        ],
    )


def _lost_ipv6() -> Scenario:
    place = Place()
    addresses = [place.at6(1), place.at6(2), place.at(1)]
    silent = {place.at6(number): Host(scripts.silent) for number in (1, 2)}
    return servers(
        "ipv6-lost", "two of three addresses are IPv6, where every packet gets lost", scripts.right, place=place,
        hosts=silent, addresses=addresses,
    )


def _unreachable_ipv6() -> Scenario:
    place = Place()
    return servers(
        "ipv6-unreachable", "two of three addresses are IPv6, to which there is no route", scripts.right, place=place,
        addresses=["2001:db8::1", "2001:db8::2", place.at(1)],
    )


def _lame_delegation() -> Scenario:
    elsewhere = "127.53.0.4"
    return data(
        "lame-delegation", "one of two addresses is a server that has never heard of the zone",
        f"@ NS ns2\nns2 A {elsewhere}\nwww A 192.0.2.1\n", Step("www.lame-delegation.org"),
        org=f"lame-delegation NS ns2.lame-delegation\nns2.lame-delegation A {elsewhere}\n",
    )


def _nobody() -> Scenario:
    place = Place()
    return servers(
        "nobody-there", "nothing listens at one of two servers: packets are refused", scripts.right, place=place,
        addresses=[place.at(1), place.at(9)],
    )


SCENARIOS: tuple[Scenario, ...] = (
    one_of(2, "slow", "one of two takes 1.2 s", scripts.after(1.2)),
    servers("slow-only", "the only server takes 1 s", scripts.after(1.0)),
    one_of(3, "dead", "two of three are silent", scripts.silent, bad=2),
    _nobody(),
    _failing("dead-all", "both are silent", scripts.silent, scripts.silent, most=30),
    one_of(2, "lame", "one of two refers to the root", scripts.upwards),
    _failing("lame-all", "both refer to the root", scripts.upwards, scripts.upwards, most=12),
    one_of(2, "lame-cache", "one of two is a resolver with another answer in its cache", scripts.from_a_cache),
    _lame_delegation(),
    one_of(2, "refusing", "one of two says REFUSED", _REFUSED),
    _failing("refusing-all", "both say REFUSED", _REFUSED, _REFUSED, most=12),
    one_of(2, "servfail", "one of two says SERVFAIL", _SERVFAIL),
    _failing("servfail-all", "both say SERVFAIL", _SERVFAIL, _SERVFAIL, most=20),
    one_of(2, "formerr", "one of two says FORMERR to everything", _FORMERR),
    servers("formerr-edns", "says FORMERR to EDNS, a header only", scripts.formerr_on_edns),
    servers("formerr-edns-opt", "says FORMERR to EDNS and sends the query back, OPT record and all",
            scripts.formerr_with_opt),
    servers("edns-ignored", "knows no EDNS and says nothing of it", scripts.without_opt),
    servers("edns-dropped", "is silent for queries with EDNS", scripts.deaf_to_edns,
            steps=[Step("www.edns-dropped.org", right=("192.0.2.1", "SERVFAIL"))]),
    one_of(2, "notimp", "one of two says NOTIMP to everything", _NOTIMP),
    _failing("notimp-all", "both say NOTIMP to everything", _NOTIMP, _NOTIMP, most=20),
    servers("truncating", "sends TC over UDP, whatever it is asked", scripts.truncated),
    servers("large", "has an answer that goes over TCP only", scripts.right,
            records="".join(f'www TXT "{number:03}{"x" * 100}"\n' for number in range(30)),
            steps=[Step("www.large.org", "TXT",
                        right=(" ".join(f'"{number:03}{"x" * 100}"' for number in range(30)),))]),
    one_of(2, "tcp-less", "one of two sends TC, and both refuse TCP", Host(scripts.truncated, tcp=REFUSES)),
    one_of(2, "tcp-hangs", "one of two sends TC, and both say nothing over TCP", Host(scripts.truncated, tcp=HANGS)),
    _failing("tcp-less-all", "sends TC and refuses TCP, and there is no other", Host(scripts.truncated, tcp=REFUSES),
             most=12),
    servers("udp-only", "has no TCP, and needs none", Host(scripts.right, tcp=REFUSES)),
    one_of(2, "malformed", "one of two sends responses that end in the middle", scripts.broken),
    _lost_ipv6(),
    _unreachable_ipv6(),
    _stale(),
)
