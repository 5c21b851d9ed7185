"""Scenarios with odd delegations: no glue, circles, sideways, too deep, too many, and into zones of our own."""

from __future__ import annotations

from tests.harness.misbehaving import Host
from tests.harness.scenarios import scripts
from tests.harness.scenarios.build import HEAD, LEAF, Place, data, delegation, one_of, servers
from tests.harness.scenarios.scenario import Scenario, Step

_FAILS = ("SERVFAIL",)


def _glueless() -> Scenario:
    """The name server's name is in a zone whose own server's name is in a third."""
    org = "glueless NS ns.glueless-a.net.\n"
    net = "glueless-a NS ns.glueless-b.org.\n"
    return Scenario(
        "glueless", "the name server's name has no glue, nor has that of its zone's server",
        (Step("www.glueless.org"),), org=org + delegation("glueless-b", [LEAF]), net=net,
        leaf={
            "glueless.org.": f"{HEAD}@ NS ns.glueless-a.net.\nwww A 192.0.2.1\n",
            "glueless-a.net.": f"{HEAD}@ NS ns.glueless-b.org.\nns A {LEAF}\n",
            "glueless-b.org.": f"{HEAD}@ NS ns1\nns1 A {LEAF}\nns A {LEAF}\n",
        },
    )


def _circular() -> Scenario:
    return Scenario(
        "circular", "the servers of two zones have their names in each other's zone, without glue",
        (Step("www.circular.org", right=_FAILS),),
        org="circular NS ns.circular-b.net.\n", net="circular-b NS ns.circular.org.\n",
    )


def _half_circular() -> Scenario:
    """Beside the circle there is a server that can be found."""
    return Scenario(
        "circular-half", "the same, but one of the zones has a second server that can be found",
        (Step("www.circular-half.org"),),
        org="circular-half NS ns.circular-c.net.\n",
        net=f"circular-c NS ns.circular-half.org.\ncircular-c NS ns2.circular-c\nns2.circular-c A {LEAF}\n",
        leaf={
            "circular-half.org.": f"{HEAD}@ NS ns.circular-c.net.\nns A {LEAF}\nwww A 192.0.2.1\n",
            "circular-c.net.": f"{HEAD}@ NS ns.circular-half.org.\n@ NS ns2\nns2 A {LEAF}\nns A {LEAF}\n",
        },
    )


def _fan_out(name: str, about: str, questions: int) -> Scenario:
    place, victim = Place(), Place()
    zone = f"v-{name}.net"
    return servers(
        name, about, scripts.fan_out(f"{zone}.", 60), place=place,
        steps=[Step(f"www.a{number}.{name}.org", right=_FAILS) for number in range(questions)],
        net=delegation(f"v-{name}", [victim.at(1)]), hosts={victim.at(1): Host(scripts.right)},
        behind={f"{zone}.": f"{HEAD}@ NS ns1\nns1 A {victim.at(1)}\n"},
        counted=(victim.at(1),), most=20 * questions,
    )


def _many_dead() -> Scenario:
    place = Place()
    addresses = [place.at(number) for number in range(1, 31)]
    return servers(
        "dead-many", "30 name servers with glue, all silent", *[scripts.silent] * 30, place=place,
        steps=[Step("www.dead-many.org", right=_FAILS)], counted=tuple(addresses), most=100,
    )


def _many_dead_again() -> Scenario:
    """What a delegation to victims is worth to an attacker who asks for one name after another."""
    place = Place()
    addresses = [place.at(number) for number in range(1, 31)]
    return servers(
        "dead-many-2", "the same, asked for two names one after another", *[scripts.silent] * 30, place=place,
        steps=[Step(f"www{number}.dead-many-2.org", right=_FAILS) for number in range(2)], counted=tuple(addresses),
        most=120,
    )


def _circular_counted() -> Scenario:
    place = Place()
    return servers(
        "circular-below", "two zones below one, their servers' names in each other, without glue", scripts.right,
        place=place, records="a NS ns.b\nb NS ns.a\n", steps=[Step("www.a.circular-below.org", right=_FAILS)],
        counted=(place.at(1),), most=12,
    )


def _levels(name: str, count: int, *right: str) -> Scenario:
    """Zones in zones: the name has a label for each, and each cut has a server of its own."""
    place = Place()
    hosts, zone = {}, f"{name}.org."
    for number in range(1, count):
        hosts[place.at(number)] = Host(scripts.level(zone, place.at(number + 1)))
        zone = f"l{number}.{zone}"
    hosts[place.at(count)] = Host(scripts.level(zone, "", "192.0.2.1"))
    return Scenario(
        name, f"{count + 2} delegations in a row, the root's and the TLD's included",
        (Step(f"www.{zone}", right=right),), hosts=hosts, org=delegation(name, [place.at(1)]),
    )


def _sideways() -> Scenario:
    return one_of(2, "sideways", "one of two refers to another zone with an address for its server",
                  scripts.sideways("other.net."))


def _own() -> tuple[Scenario, ...]:
    """mine.org. is streamdns's own zone in all of these; below org. it is delegated to a liar."""
    liar = Place()
    return (
        Scenario("own-delegated", "the TLD delegates our own zone to somebody with other answers",
                 (Step("www.mine.org", right=("192.0.2.80",)),),
                 hosts={liar.at(1): Host(scripts.answering(scripts.EVIL))}, org=delegation("mine", [liar.at(1)]),
                 behind={"mine.org.": f"{HEAD}@ NS ns1\nns1 A {liar.at(1)}\nwww A {scripts.EVIL}\n"}, own=True),
        data("own-alias", "an alias of a name in our own zone", "www CNAME www.mine.org.\n",
             Step("www.own-alias.org", right=("192.0.2.80",)), own=True),
        Scenario("own-server", "a delegation to a name server whose name is in our own zone, without glue",
                 (Step("www.own-server.org"),), org="own-server NS ns.mine.org.\n",
                 leaf={"own-server.org.": f"{HEAD}@ NS ns.mine.org.\nwww A 192.0.2.1\n"}, own=True),
        Scenario("own-cut", "a name below a cut in our own zone", (Step("www.sub.mine.org"),),
                 leaf={"sub.mine.org.": f"{HEAD}@ NS ns.sub.mine.org.\nns A {LEAF}\nwww A 192.0.2.1\n"}, own=True),
        data("own-chain", "from our own zone to a foreign name and back", "back CNAME www.mine.org.\n",
             Step("chain.mine.org", right=("192.0.2.80",)), own=True),
    )


#: Records of the zones that streamdns has itself: owner, type, contents.
OWN: tuple[tuple[str, str, str], ...] = (
    ("mine.org.", "SOA", "ns.mine.org. host.mine.org. 1 3600 600 604800 60"),
    ("mine.org.", "NS", "ns.mine.org."),
    ("ns.mine.org.", "A", LEAF),
    ("www.mine.org.", "A", "192.0.2.80"),
    ("chain.mine.org.", "CNAME", "back.own-chain.org."),
    ("sub.mine.org.", "NS", "ns.sub.mine.org."),
    ("ns.sub.mine.org.", "A", LEAF),
    ("int.lan9.", "SOA", "ns.int.lan9. host.int.lan9. 1 3600 600 604800 60"),
    ("int.lan9.", "NS", "ns.mine.org."),
    ("sub.int.lan9.", "NS", "ns.sub.int.lan9."),
    ("ns.sub.int.lan9.", "A", LEAF),
    ("ours.own-told.org.", "SOA", "ns.mine.org. host.mine.org. 1 3600 600 604800 60"),
    ("ours.own-told.org.", "NS", "ns.mine.org."),
    ("www.ours.own-told.org.", "A", "192.0.2.80"),
)

SCENARIOS: tuple[Scenario, ...] = (
    _glueless(),
    _circular(),
    _half_circular(),
    _circular_counted(),
    _fan_out("nxns", "a delegation to 60 names of a victim's zone, none of which exists (NXNSAttack)", 1),
    _fan_out("nxns-3", "the same for three names, one after another", 3),
    _many_dead(),
    _many_dead_again(),
    _levels("deep-10", 8, "192.0.2.1"),
    _levels("deep-14", 12, "192.0.2.1"),
    _levels("deep-30", 28, "SERVFAIL", "192.0.2.1"),
    _sideways(),
    one_of(2, "self-referral", "one of two refers to the zone it was asked for", scripts.to_itself),
    servers("self-referral-all", "the only one refers to the zone it was asked for", scripts.to_itself,
            steps=[Step("www.self-referral-all.org", right=_FAILS)]),
    *_own(),
)
