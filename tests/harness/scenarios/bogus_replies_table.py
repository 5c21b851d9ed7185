"""Scenarios with bogus replies: wrong or forged messages, and records that the server has no right to give."""

from __future__ import annotations

from collections.abc import Sequence

from tests.harness.misbehaving import REFUSES, Host
from tests.harness.scenarios import scripts
from tests.harness.scenarios.build import HEAD, LEAF, Place, delegation, one_of, servers
from tests.harness.scenarios.scenario import Reply, Scenario, Step


def _honest(replies: Sequence[Reply]) -> bool:
    """Anything but what was forged."""
    return replies[-1].said in ("192.0.2.1", "192.0.2.7", "NODATA", "NXDOMAIN", "SERVFAIL")


def _poison(name: str, about: str, section: str, *records: str, known: bool = False) -> Scenario:
    """The attacker's answer has records of a victim, who is asked for behind it (and, if it is known, before)."""
    victim = f"v-{name}.net"
    there = Step(f"www.{victim}", right=("192.0.2.7",))
    return servers(
        name, about, scripts.adding(section, [record.replace("VICTIM", victim) for record in records]),
        steps=[*([there] if known else []), Step(f"www.{name}.org", right=_honest), there],
        net=delegation(f"v-{name}", [LEAF]),
        leaf={f"{victim}.": f"{HEAD}@ NS ns1\nns1 A {LEAF}\nwww A 192.0.2.7\n"},
    )


def _alias_with_lie() -> Scenario:
    """A CNAME out of the zone, and in the same message what it leads to, as the attacker would have it."""
    victim = "v-poison-alias.net"
    return servers(
        "poison-alias", "an alias that leads to a victim's name, whose forged address is added",
        scripts.adding("answer", [f"www.{victim}. A {scripts.EVIL}"]), records=f"www CNAME www.{victim}.\n",
        steps=[Step("www.poison-alias.org", right=("192.0.2.7",)), Step(f"www.{victim}", right=("192.0.2.7",))],
        net=delegation("v-poison-alias", [LEAF]),
        leaf={f"{victim}.": f"{HEAD}@ NS ns1\nns1 A {LEAF}\nwww A 192.0.2.7\n"},
    )


def _wrong_source() -> Scenario:
    place = Place()
    return one_of(
        2, "wrong-source", "one of two answers from another address", scripts.wrong_source(place.at(77)),
        place=place, hosts={place.at(77): Host(scripts.silent)}, addresses=[place.at(1), place.at(2)],
    )


SCENARIOS: tuple[Scenario, ...] = (
    one_of(2, "wrong-id", "one of two answers with a wrong id", scripts.wrong_id),
    one_of(2, "wrong-question", "one of two answers another question", scripts.wrong_question),
    _wrong_source(),
    servers("case", "gives the question back in lower case", scripts.lower_case),
    servers("case-udp", "gives the question back in lower case and has no TCP",
            Host(scripts.lower_case, tcp=REFUSES)),
    servers("spoofer", "60 forged answers with ids by chance for every open port, before each right one",
            scripts.spoofed, steps=[Step(f"www{number}.spoofer.org") for number in range(3)],
            records="".join(f"www{number} A 192.0.2.1\n" for number in range(3))),
    servers("spoofer-udp", "the same, from a server that has no TCP", Host(scripts.spoofed, tcp=REFUSES),
            steps=[Step("www.spoofer-udp.org", right=_honest)]),
    _poison("poison-additional", "a victim's address in the additional section", "additional",
            f"www.VICTIM. A {scripts.EVIL}"),
    _poison("poison-known", "the same, for a victim whose address is in the cache", "additional",
            f"www.VICTIM. A {scripts.EVIL}", known=True),
    _poison("poison-authority", "NS records of a victim in the authority section, with an address", "authority",
            "VICTIM. NS ns.evil.org.", f"ns.evil.org. A {scripts.EVIL}"),
    _poison("poison-parent", "NS records of the TLD in the authority section", "authority",
            "net. NS ns.poison-parent.org."),
    _poison("poison-root", "NS records of the root in the authority section", "authority",
            ". NS ns.poison-root.org."),
    _poison("poison-answer", "a victim's address in the answer section", "answer", f"www.VICTIM. A {scripts.EVIL}"),
    _alias_with_lie(),
)
