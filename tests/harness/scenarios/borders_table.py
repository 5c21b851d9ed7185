"""Whose word counts: forward zones and cuts of ours below names that are denied; servers without authority."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dns.rdatatype

from tests.harness.misbehaving import Host
from tests.harness.scenarios import scripts
from tests.harness.scenarios.build import HEAD, LEAF, Place, data, delegation, servers
from tests.harness.scenarios.scenario import Reply, Scenario, Step

_NONE = ("NXDOMAIN",)
_FORWARDER = Host(scripts.without_authority)


def _zone(records: str = "www A 192.0.2.1\n") -> str:
    return f"{HEAD}@ NS ns1\nns1 A {LEAF}\n{records}"


def _behind_a_forwarder(name: str, about: str, zone: str, *steps: Step, **more: Any) -> Scenario:
    """The right answers about `zone` are those of a resolver that everybody is told to ask for it."""
    host = Place().at(1)
    return Scenario(
        name, about, steps, hosts={host: _FORWARDER} | more.pop("hosts", {}),
        behind={zone: _zone()} | more.pop("behind", {}), forwards={zone: host} | more.pop("forwards", {}), **more,
    )


def _nested() -> Scenario:
    outer = Place().at(1)
    return _behind_a_forwarder(
        "forward-nested", "a forward zone in another one, whose forwarder has denied a name between", "a.b.lan2.",
        Step("b.lan2", right=_NONE), Step("www.a.b.lan2"), Step("www.a.b.lan2", "AAAA", right=("NODATA",)),
        forwards={"lan2.": outer}, hosts={outer: Host(scripts.nxdomain_for("b"))}, behind={"lan2.": _zone()},
    )


def _renamed() -> Scenario:
    """The DNAME is in the cache when a name in the forward zone is asked for."""
    zone = "sub.down.forward-dname.org."
    host = Place().at(1)
    return data(
        "forward-dname", "a forward zone below a DNAME that is known", "down DNAME v-forward-dname.net.\n",
        Step("www.down.forward-dname.org", right=("192.0.2.2",)), Step(f"www.{zone}"),
        net=delegation("v-forward-dname", [LEAF]),
        leaf={"v-forward-dname.net.": _zone(f"www A 192.0.2.2\nwww.sub A {scripts.EVIL}\n")},
        hosts={host: _FORWARDER}, behind={zone: _zone()}, forwards={zone: host},
    )


def _told() -> Scenario:
    zone = "sub.forward-told.org."
    host = Place().at(1)
    return data(
        "forward-told", "a server adds another answer for an alias that leads into a forward zone",
        f"to CNAME www.sub\nwww.sub A {scripts.EVIL}\n", Step("to.forward-told.org"), Step(f"www.{zone}"),
        hosts={host: _FORWARDER}, behind={zone: _zone()}, forwards={zone: host},
    )


def _server_denied() -> Scenario:
    """The name server's name lies below one that its zone's server denies, wrongly, and that somebody asked for."""
    return servers(
        "empty-denied-server", "the same, where the name server of a zone is below the name that is denied",
        scripts.nxdomain_for("b"), records=f"ns.b A {LEAF}\nwww.b A 192.0.2.1\n",
        steps=[Step("b.empty-denied-server.org", right=_NONE), Step("www.v-empty-denied.net"),
               Step("www.b.empty-denied-server.org")],
        net="v-empty-denied NS ns.b.empty-denied-server.org.\n",
        leaf={"v-empty-denied.net.": f"{HEAD}@ NS ns.b.empty-denied-server.org.\nwww A 192.0.2.1\n"},
    )


def _six_alone() -> Scenario:
    return Scenario(
        "glue-ipv6", "a delegation with an IPv6 address alone, to which there is no route",
        (Step("www.v-glue-ipv6.org"),),
        org=f"v-glue-ipv6 NS ns.w-glue-ipv6\nns.w-glue-ipv6 AAAA 2001:db8::9\n{delegation('w-glue-ipv6', [LEAF])}",
        leaf={"v-glue-ipv6.org.": f"{HEAD}@ NS ns.w-glue-ipv6.org.\nwww A 192.0.2.1\n",
              "w-glue-ipv6.org.": _zone(f"ns A {LEAF}\nns AAAA 2001:db8::9\n")},
    )


def _dead_child() -> Scenario:
    """The delegation is right; what the zone says of its own servers is not, and is in the cache."""
    place = Place()
    name = "child-dead"
    zone = f"{HEAD}@ NS dead\ndead A {place.at(2)}\nwww A 192.0.2.1\nmail A 192.0.2.1\n"
    return servers(
        name, "the zone names a dead server, those above it a living one; somebody asks for type NS", scripts.right,
        Host(scripts.silent), place=place, addresses=[place.at(1)], behind={f"{name}.org.": zone},
        steps=[Step(f"{name}.org", "NS", right=(f"dead.{name}.org.",)), Step(f"dead.{name}.org", right=(place.at(2),)),
               Step(f"www.{name}.org"), Step(f"mail.{name}.org")],
    )


def _anything(replies: Sequence[Reply]) -> bool:
    return True


def _same_as_first(replies: Sequence[Reply]) -> bool:
    return replies[-1].said == replies[0].said


SCENARIOS: tuple[Scenario, ...] = (
    _behind_a_forwarder("forward-denied", "a forward zone below a name that the root has denied", "sub.lan1.",
                        Step("lan1", right=_NONE), Step("www.sub.lan1"),
                        Step("www.sub.lan1", "AAAA", right=("NODATA",)), Step("no.sub.lan1", right=_NONE)),
    _behind_a_forwarder("forward-ds", "a forward zone of which somebody asked for type DS, which the root denies",
                        "sub.lan3.", Step("sub.lan3", "DS", right=(*_NONE, "NODATA")), Step("www.sub.lan3")),
    _nested(),
    _renamed(),
    _told(),
    Scenario("own-denied", "a cut in our own zone below a name that the root has denied",
             (Step("lan9", right=_NONE), Step("www.sub.int.lan9"), Step("www.sub.int.lan9", "AAAA", right=("NODATA",))),
             leaf={"sub.int.lan9.": f"{HEAD}@ NS ns.sub.int.lan9.\nns A {LEAF}\nwww A 192.0.2.1\n"}, own=True),
    data("own-told", "a server adds another answer for an alias that leads into our own zone",
         f"to CNAME www.ours\nwww.ours A {scripts.EVIL}\n", Step("to.own-told.org", right=("192.0.2.80",)), own=True),
    servers("empty-denied-asked", "says NXDOMAIN for a name with others below it, after somebody asked for just that",
            scripts.nxdomain_for("b"), records="www.b A 192.0.2.1\n",
            steps=[Step("b.empty-denied-asked.org", right=_NONE), Step("www.b.empty-denied-asked.org")]),
    _server_denied(),
    servers("nxdomain-aaaa", "says NXDOMAIN to AAAA of a name that has an A record, and others below it",
            scripts.nxdomain_for_type(dns.rdatatype.AAAA), records="b A 192.0.2.2\nwww.b A 192.0.2.1\n",
            steps=[Step("b.nxdomain-aaaa.org", "AAAA", right=_NONE), Step("www.b.nxdomain-aaaa.org")]),
    servers("no-authority", "the only server answers as resolvers do: RA without AA", scripts.without_authority,
            steps=[Step("www.no-authority.org"), Step("www.no-authority.org", "TXT", right=("NODATA",)),
                   Step("no.no-authority.org", right=_NONE)]),
    servers("no-authority-two", "both servers do", scripts.without_authority, scripts.without_authority),
    servers("no-authority-below", "answers with AA, and as resolvers do for names below a cut of its own",
            scripts.without_authority_below("sub"), records="www A 192.0.2.2\nwww.sub A 192.0.2.1\n",
            steps=[Step("www.no-authority-below.org", right=("192.0.2.2",)), Step("www.sub.no-authority-below.org")]),
    servers("no-authority-dead", "one of two is silent, the other answers as resolvers do", scripts.without_authority,
            scripts.silent),
    servers("bare-aaaa", "says neither AA nor SOA where it has no AAAA record", scripts.bare_for(dns.rdatatype.AAAA),
            steps=[Step("www.bare-aaaa.org"), Step("www.bare-aaaa.org", "AAAA", right=("NODATA",)),
                   Step("www.bare-aaaa.org")]),
    _six_alone(),
    _dead_child(),
    servers("two-aliases", "two CNAME records at one name, in turns",
            scripts.two_aliases("two", "a.two-aliases.org.", "b.two-aliases.org."),
            records="a A 192.0.2.1\nb A 192.0.2.2\n",
            steps=[Step("two.two-aliases.org", right=("192.0.2.1", "192.0.2.2", "SERVFAIL")),
                   Step("two.two-aliases.org", "CNAME", right=_anything),
                   Step("two.two-aliases.org", "TXT", right=_anything),
                   Step("two.two-aliases.org", right=_same_as_first)]),
)
