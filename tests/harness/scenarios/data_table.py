"""Scenarios with correct data that resolvers get wrong: aliases, wildcards, empty names, TTLs, types."""

from __future__ import annotations

from collections.abc import Sequence

from tests.harness.misbehaving import Host
from tests.harness.scenarios import scripts
from tests.harness.scenarios.build import HEAD, LEAF, Place, data, delegation, servers
from tests.harness.scenarios.scenario import Reply, Scenario, Step

_FAILS = ("SERVFAIL",)
_DAY_S = 86_400
_HONEST = Host(scripts.right)


def _chain(name: str, links: int, *right: str) -> Scenario:
    """Aliases from zone to zone, so that each is learnt of another question."""
    texts = {f"{name}.org.": "", f"{name}.net.": ""}
    zones = tuple(texts)
    for number in range(links):
        texts[zones[number % 2]] += f"c{number} CNAME c{number + 1}.{zones[(number + 1) % 2]}\n"
    texts[zones[links % 2]] += f"c{links} A 192.0.2.1\n"
    places = {zones[0]: Place().at(1), zones[1]: Place().at(1)}
    return servers(
        name, f"{links} aliases in a row, from zone to zone", scripts.right, addresses=[places[zones[0]]],
        steps=[Step(f"c0.{name}.org", right=right)],
        net=delegation(name, [places[zones[1]]]), records=texts[zones[0]],
        hosts={places[each]: _HONEST for each in zones},
        behind={zones[1]: f"{HEAD}@ NS ns1\nns1 A {places[zones[1]]}\n{texts[zones[1]]}"},
    )


def _chain_at_once(name: str, links: int, *right: str) -> Scenario:
    records = "".join(f"c{number} CNAME c{number + 1}\n" for number in range(links)) + f"c{links} A 192.0.2.1\n"
    return servers(name, f"{links} aliases in a row, all in one answer", scripts.right, records=records,
                   steps=[Step(f"c0.{name}.org", right=right)])


def _counted_up(replies: Sequence[Reply]) -> bool:
    """The second answer is not the first one kept."""
    return replies[-1].said != replies[0].said and replies[-1].said.startswith("192.0.2.") and replies[-1].ttl_s == 0


def _ttl(name: str, about: str, ttl_s: int, least_s: int, most_s: int) -> Scenario:
    return servers(name, about, scripts.answering("192.0.2.1", ttl=ttl_s),
                   steps=[Step(f"www.{name}.org", ttl_s=(least_s, most_s))])


def _negative(name: str, about: str, *, soa_ttl_s: int, minimum_s: int, most_s: int) -> Scenario:
    head = f"$TTL 300\n@ {soa_ttl_s} SOA ns1 host 1 3600 600 604800 {minimum_s}\n"
    least_s = min(most_s, 3600) - 5
    return data(
        name, about, "www A 192.0.2.1\n", Step(f"no.{name}.org", right=("NXDOMAIN",), ttl_s=(least_s, most_s)),
        Step(f"www.{name}.org", "TXT", right=("NODATA",), ttl_s=(least_s, most_s)), head=head,
    )


def _something(replies: Sequence[Reply]) -> bool:
    return replies[-1].said not in ("SERVFAIL", "NXDOMAIN", "NODATA", "REFUSED", "NOTIMP")


_LONG = "x" * 60

SCENARIOS: tuple[Scenario, ...] = (
    data("alias", "an alias of another zone's name", "www CNAME www.v-alias.net.\n", Step("www.alias.org"),
         net=delegation("v-alias", [LEAF]), leaf={"v-alias.net.": f"{HEAD}@ NS ns1\nns1 A {LEAF}\nwww A 192.0.2.1\n"}),
    data("alias-to-nothing", "an alias of a name that does not exist", "www CNAME no\n",
         Step("www.alias-to-nothing.org", right=("NXDOMAIN",))),
    data("alias-circle", "two aliases of each other", "a CNAME b\nb CNAME a\n",
         Step("a.alias-circle.org", right=_FAILS)),
    data("alias-self", "an alias of itself", "a CNAME a\n", Step("a.alias-self.org", right=_FAILS)),
    data("alias-circle-zones", "two aliases of each other in two zones", "a CNAME a.v-alias-circle.net.\n",
         Step("a.alias-circle-zones.org", right=_FAILS), net=delegation("v-alias-circle", [LEAF]),
         leaf={"v-alias-circle.net.": f"{HEAD}@ NS ns1\nns1 A {LEAF}\na CNAME a.alias-circle-zones.org.\n"}),
    _chain("chain-8", 8, "192.0.2.1"),
    _chain("chain-16", 16, "192.0.2.1"),
    _chain("chain-17", 17, "SERVFAIL", "192.0.2.1"),
    _chain("chain-40", 40, "SERVFAIL"),
    _chain_at_once("chain-once-16", 16, "192.0.2.1"),
    _chain_at_once("chain-once-17", 17, "SERVFAIL", "192.0.2.1"),
    data("dname", "a name below a DNAME", "down DNAME v-dname.net.\n", Step("www.down.dname.org"),
         net=delegation("v-dname", [LEAF]), leaf={"v-dname.net.": f"{HEAD}@ NS ns1\nns1 A {LEAF}\nwww A 192.0.2.1\n"}),
    data("dname-owner", "the DNAME's own name, which is not renamed", "down DNAME v-dname.net.\ndown A 192.0.2.1\n",
         Step("down.dname-owner.org")),
    data("dname-long", "a DNAME that makes a name of more than 255 octets",
         f"down DNAME {_LONG}.{_LONG}.v-dname.net.\n",
         Step(f"{_LONG}.{_LONG}.down.dname-long.org", right=("YXDOMAIN", "SERVFAIL"))),
    data("dname-circle", "a DNAME that leads below itself", "down DNAME x.down\n",
         Step("www.down.dname-circle.org", right=("SERVFAIL", "YXDOMAIN"))),
    data("wildcard", "names that a wildcard makes, of one label and of three", "* A 192.0.2.1\n",
         Step("a.wildcard.org"), Step("a.b.c.wildcard.org"), Step("a.wildcard.org", "TXT", right=("NODATA",))),
    data("wildcard-alias", "a wildcard that is an alias", "* CNAME www\nwww A 192.0.2.1\n",
         Step("a.wildcard-alias.org")),
    data("wildcard-hidden", "a wildcard below which a name is: it does not make what is beside that",
         "* A 192.0.2.66\na.b A 192.0.2.1\n", Step("a.b.wildcard-hidden.org"),
         Step("c.b.wildcard-hidden.org", right=("NXDOMAIN",)), Step("b.wildcard-hidden.org", right=("NODATA",))),
    data("empty", "a name with nothing but others below it", "www.b A 192.0.2.1\n",
         Step("b.empty.org", right=("NODATA",)), Step("www.b.empty.org")),
    servers("empty-denied", "says NXDOMAIN for a name with nothing but others below it",
            scripts.nxdomain_for("b"), records="www.b A 192.0.2.1\n", steps=[Step("www.b.empty-denied.org")]),
    servers("ttl-0", "an answer with TTL 0, another one each time", scripts.ttl_0,
            steps=[Step("www.ttl-0.org", right=lambda replies: replies[-1].said.startswith("192.0.2.")),
                   Step("www.ttl-0.org", right=_counted_up)]),
    _ttl("ttl-week", "a TTL of a week", 7 * _DAY_S, _DAY_S - 5, 7 * _DAY_S),
    _ttl("ttl-most", "the highest TTL there is", 0x7FFFFFFF, _DAY_S - 5, 7 * _DAY_S),
    _ttl("ttl-minus", "a TTL with its top bit set, which counts as 0 (RFC 2181 §8)", 0x80000000, 0, 0),
    _negative("negative", "nothing there, the SOA's last field is the least", soa_ttl_s=3600, minimum_s=120,
              most_s=120),
    _negative("negative-ttl", "nothing there, the SOA's own TTL is the least", soa_ttl_s=90, minimum_s=7200,
              most_s=90),
    _negative("negative-day", "nothing there, and the SOA says for a day", soa_ttl_s=_DAY_S, minimum_s=_DAY_S,
              most_s=10_800),
    data("any", "type ANY", "www A 192.0.2.1\n", Step("www.any.org", "ANY", right=_something)),
    servers("any-notimp", "says NOTIMP to type ANY, and answers all others", scripts.notimp_for_any,
            steps=[Step("www.any-notimp.org"), Step("www.any-notimp.org", "ANY", right=("192.0.2.1", "SERVFAIL",
                                                                                    "NOTIMP"))]),
    servers("type-notimp", "says NOTIMP to a type it does not know", scripts.notimp_for_unknown,
            steps=[Step("www.type-notimp.org", "TYPE65280", right=_FAILS), Step("www.type-notimp.org")]),
)
