"""The page that says who does what: docs/resolver-peers.md."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence

from tests.harness.process import ROOT
from tests.harness.scenarios.report import Report
from tests.harness.scenarios.scenario import RIGHT, SERVFAIL, Result, Scenario

PAGE = ROOT / "docs" / "resolver-peers.md"
NAMES = ("streamdns", "Unbound", "PowerDNS Recursor")
_HEAD = """# Beside other resolvers

What streamdns, Unbound and PowerDNS Recursor make of name servers that do something wrong, and of data that is easy to get
wrong. Made by `python -m tests.harness.scenarios --write`, which starts the three beside each other in a network of its
own, with BIND, Knot and NSD as root, TLDs and honest zones, and a scripted server for all that is not honest
(`tests/harness/misbehaving.py`). `make test` plays the same scenarios and fails where streamdns does not do right, or
is the worst of the three.

All run without DNSSEC validation, which streamdns does not have; Unbound has `serve-expired: yes` with
`serve-expired-client-timeout: 1800`, PowerDNS Recursor `serve-stale-extensions: 60`, because streamdns gives stale
answers by default. All else is as it comes. Unbound {unbound}, PowerDNS Recursor {recursor}; {date}.

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


def page(report: Report, scenarios: Sequence[Scenario]) -> str:
    """The page's text; ValueError where a difference is not explained, or what is explained is none."""
    rows, explained = [], []
    wanted = {each.name for each in scenarios if _differs(report.of(each.name))}
    if wanted != set(EXPLANATIONS):
        raise ValueError(f"to be explained: {sorted(wanted - set(EXPLANATIONS))}; "
                         f"no difference: {sorted(set(EXPLANATIONS) - wanted)}")
    for each in scenarios:
        found = report.of(each.name)
        mark = " †" if each.name in wanted else ""
        cells = " | ".join(_cell(found.get(name)) for name in NAMES)
        rows.append(f"| `{each.name}`{mark} | {each.about} | {cells} |")
        if each.name in wanted:
            explained.append(f"- **`{each.name}`**: {EXPLANATIONS[each.name]}")
    head = _HEAD.format(unbound=report.versions["Unbound"], recursor=report.versions["PowerDNS Recursor"],
                        date=datetime.datetime.now(tz=datetime.UTC).date())
    table = "\n".join(["| scenario | what is wrong | " + " | ".join(NAMES) + " |", "| --- | --- | --- | --- | --- |", *rows])
    return f"{head}\n{table}\n\n## Differences\n\n" + "\n".join(explained) + f"\n{_QUERIES}"


_QUERIES = """
## Queries

PowerDNS Recursor asks one server after another and waits for each, so it sends the fewest where nobody answers. streamdns
asks the next one before the first has failed and ends after 5 s and 100 queries at the most; Unbound asks each server
several times and has no such end.
"""
EXPLANATIONS: dict[str, str] = {}
