"""Writes the page that compares the resolvers: docs/resolver-peers.md."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence

from tests.harness.process import ROOT
from tests.harness.scenarios.report import Report
from tests.harness.scenarios.scenario import RIGHT, SERVFAIL, Result, Scenario

PAGE = ROOT / "docs" / "resolver-peers.md"
NAMES = ("streamdns", "Unbound", "PowerDNS Recursor", "BIND")
_HEAD = """# Beside other resolvers

What streamdns, Unbound, PowerDNS Recursor and BIND make of name servers that do something wrong, and of data that is
easy to get wrong. Made by `python -m tests.harness.scenarios --write`, which starts the four beside each other in a
network of its own, with BIND, Knot and NSD as root, TLDs and honest zones, and a scripted server for all that is not
honest (`tests/harness/misbehaving.py`). `make test` plays the same scenarios and fails where streamdns does not do
right, or is the worst of the four.

All run without DNSSEC validation, which streamdns does not have; Unbound has `serve-expired: yes` with
`serve-expired-client-timeout: 1800`, PowerDNS Recursor `serve-stale-extensions: 60`, BIND `stale-answer-enable yes`
with `stale-answer-client-timeout 1800`, because streamdns gives stale answers by default. All have the same forward
zones. All else is as it comes. Unbound {unbound}, PowerDNS Recursor {recursor}, BIND {bind}; {date}.

*answer* is the right answer. What is **bold** is not right: an answer that is wrong, SERVFAIL where there is an answer,
or no answer within 10 s. Numbers in brackets are the queries that the servers in question got, where that matters. Rows
marked with a dagger are explained below.
"""


def _cell(result: Result | None) -> str:
    if result is None:
        return "–"
    said = result.shown.split(", TTL")[0]
    words = said.split()
    kind = "answer" if words and (words[0][0].isdigit() or words[0].startswith('"')) else said
    if result.verdict != RIGHT:
        wrong = result.shown if kind == "answer" else said
        kind = f"**{wrong}**" if result.verdict == SERVFAIL or said == "no answer" else f"**wrong: {wrong}**"
    return f"{kind} ({result.queries})" if result.queries else kind


def _differs(results: Mapping[str, Result]) -> bool:
    return len({_cell(result._replace(queries=0)) for result in results.values()}) > 1


def unexplained(report: Report, scenarios: Sequence[Scenario]) -> tuple[set[str], set[str]]:
    """Scenarios whose difference is not explained, and those whose explanation is of none."""
    differ = {each.name for each in scenarios if _differs(report.of(each.name))}
    return differ - set(EXPLANATIONS), set(EXPLANATIONS) - differ - SOMETIMES


def page(report: Report, scenarios: Sequence[Scenario]) -> str:
    """The page's text; ValueError where a difference is not explained, or what is explained is none."""
    rows: list[str] = []
    explained: dict[str, list[str]] = {}
    new, idle = unexplained(report, scenarios)
    if new or idle:
        raise ValueError(f"to be explained: {sorted(new)}; no difference: {sorted(idle)}")
    for each in scenarios:
        found = report.of(each.name)
        mark = " †" if each.name in EXPLANATIONS else ""
        cells = " | ".join(_cell(found.get(name)) for name in NAMES)
        rows.append(f"| `{each.name}`{mark} | {each.about} | {cells} |")
        if each.name in EXPLANATIONS:
            explained.setdefault(EXPLANATIONS[each.name], []).append(f"`{each.name}`")
    head = _HEAD.format(unbound=report.versions["Unbound"], recursor=report.versions["PowerDNS Recursor"],
                        bind=report.versions["BIND"], date=datetime.datetime.now(tz=datetime.UTC).date())
    table = "\n".join([f"| scenario | what is wrong | {' | '.join(NAMES)} |", "| --- " * (2 + len(NAMES)) + "|", *rows])
    why = "\n".join(f"- {', '.join(names)}: {text}" for text, names in explained.items())
    return f"{head}\n{table}\n\n## Differences\n\n{why}\n{_QUERIES}"


_QUERIES = """
## Queries

PowerDNS Recursor asks one server after another and waits for each, so it sends the fewest where nobody answers.
streamdns asks the next one before the first has failed and ends after 4.5 s and 100 queries at the most, so that those
hear of it who wait for 5 s; BIND ends after 10 s, Unbound asks each server several times and has no such end.
"""
_PATIENT = (
    "Unbound and BIND ask dead servers again and again, each time with more patience, and tell the client nothing "
    "meanwhile; the other two give up with SERVFAIL within a time that clients wait."
)
_PATIENT_MANY = (
    "The same of Unbound. BIND gives out the delegation when its `stale-answer-client-timeout` is over and it has no "
    "stale answer: NOERROR without what was asked for."
)
_LATE_CIRCLE = "BIND finds out that there is a circle when its time of 10 s is over."
_NO_REFERRAL = (
    "Unbound takes a referral that does not lead down as the answer that there is nothing. Elsewhere it is a sign "
    "that the server does not have the zone: the next one is asked, and where all do so, it is not known what there is."
)
_ALIASES = "streamdns follows 16 aliases, the others 11, also in one message."

#: Why resolvers differ, by scenario.
EXPLANATIONS: dict[str, str] = {
    "dead-all": _PATIENT,
    "lame-cache": (
        "PowerDNS Recursor and BIND believe answers that have RA and no AA, whoever else there is. streamdns and "
        "Unbound ask the others first: what a resolver has in its cache is not the zone's word."
    ),
    "formerr-edns-opt": (
        "The FORMERR has an OPT record, so by RFC 6891 §7 the server knows EDNS, and PowerDNS Recursor and BIND give "
        "up. There are such servers; the other two ask once more without EDNS."
    ),
    "edns-dropped": (
        "Since 2019 nobody takes silence as a sign that a server does not know EDNS. streamdns and PowerDNS Recursor "
        "say SERVFAIL in time, Unbound and BIND go on trying."
    ),
    "tcp-hangs": (
        "Unbound and BIND may wait longer than a client does for the server that says nothing over TCP; by chance "
        "they ask the other one first. The other two go on to the next server."
    ),
    "stale": (
        "The server is back with another answer. PowerDNS Recursor prolongs what is stale by 30 s each time that it "
        "is given out, and says the old address for as long. The others ask again for each question, or seconds "
        "after the last try."
    ),
    "spoofer": (
        "PowerDNS Recursor takes more than one reply with a wrong id for an attack and ends the question. streamdns "
        "ends the query and asks once more over TCP, where nobody can forge. Unbound waits on for the right reply: "
        "until it comes, any of the forged ones may hit the id."
    ),
    "spoofer-udp": (
        "The same without TCP: streamdns and PowerDNS Recursor rather give no answer than one that may be forged, "
        "Unbound and BIND wait for the right id."
    ),
    "circular": _LATE_CIRCLE,
    "circular-below": _LATE_CIRCLE,
    "dead-many": _PATIENT_MANY,
    "dead-many-2": _PATIENT_MANY,
    "deep-30": (
        "streamdns follows 16 delegations for one name, as a bound to what one question can cost; names on the "
        "Internet have three or four."
    ),
    "sideways": _NO_REFERRAL,
    "self-referral": _NO_REFERRAL,
    "self-referral-all": _NO_REFERRAL,
    "forward-dname": (
        "PowerDNS Recursor and BIND follow the DNAME that they know out of the forward zone. Who sets up a forward "
        "zone wants its names from there, whatever those above it say."
    ),
    "no-authority": (
        "PowerDNS Recursor takes answers without AA, and neither NODATA nor NXDOMAIN; the others take both when nobody "
        "says better."
    ),
    "no-authority-dead": (
        "Unbound waits for the silent one before it takes what the other says, longer than clients do."
    ),
    "bare-aaaa": "The others take it for NODATA when nobody says better; PowerDNS Recursor does not.",
    "glue-ipv6": (
        "The IPv4 address of the name server is in its own zone, which can be asked for it; PowerDNS Recursor does not."
    ),
    "child-dead": (
        "Unbound and BIND then ask those servers that the zone itself names, who are dead, although those above the "
        "zone have named one that is not. streamdns goes by what those above say."
    ),
    "chain-16": _ALIASES,
    "chain-once-16": _ALIASES,
    "dname-long": (
        "The RCODE for this is YXDOMAIN (RFC 6672 §2.2), which the server says and PowerDNS Recursor does not pass "
        "on."
    ),
    "ttl-0": (
        "PowerDNS Recursor keeps everything for one second at least (`minimum-ttl-override`), so the second question "
        "gets the first one's answer. TTL 0 means: for this question only."
    ),
    "ttl-minus": (
        "PowerDNS Recursor and BIND take it for 68 years, and keep the record for as long as they keep any, a day and "
        "a week."
    ),
}
#: Which of these are not there every time.
SOMETIMES = {"tcp-hangs", "spoofer", "circular", "circular-below", "no-authority-dead"}
