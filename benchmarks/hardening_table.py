"""`python -m benchmarks.hardening_table FILE`: the results of `hardening` as the tables of docs/hardening.md.

`--write` puts them there, between two marks, so that all of them come from one run of one commit.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

from tests.attacks import ADMIN, LOG, RESOLVER, ZONE, load
from tests.harness.process import ROOT

DOCUMENT = ROOT / "docs" / "hardening.md"
BEGIN, END = "<!-- tables of one run: begin -->", "<!-- tables of one run: end -->"
_GROUPS = (
    ("attack on a zone", ZONE), ("attack on a resolver", RESOLVER), ("attack by users or a producer", (*ADMIN, *LOG)),
)
_OURS = "streamdns"
#: What is compared: in words, in which unit, and whether every attack is named where streamdns is the worst.
_WORDS = {
    "cpu_max_ms": ("processor time before an answer", " ms", True),
    "max_ms": ("the worst answer by the clock", " ms", True),
    "lost": ("answers lost", "", True),
    "p50_ms": ("the median answer", " ms", False),
    "resident_mb": ("memory", " MB", False),
}


def tables(document: dict[str, Any]) -> str:
    """The tables in Markdown, with what was measured where, and where streamdns is the worst of all."""
    rows = document["results"]["hardening"]["rows"]
    found = {(row["attack"], row["server"]): row for row in rows}
    machine = document["machine"]
    commit = document["commit"][:12] + (" with changes" if document["modified"] else "")
    seconds = document["results"]["hardening"]["parameters"]["seconds"]
    how = "compiled" if machine.get("compiled") else "not compiled"
    where = (f"Python {machine['python']}, streamdns {how}, {machine['cpu']}, each server with one core, "
             f"{seconds:g} s for each attack")
    lines = [f"One run, one commit: {commit}, {where}; load average at the start {machine['load_average']:.1f}.", ""]
    worst: list[Worst] = []
    for heading, names in _GROUPS:
        present = [name for name in names if any(row["attack"] == name for row in rows)]
        servers = list(dict.fromkeys(row["server"] for row in rows if row["attack"] in present))
        if not present:
            continue
        lines += [f"| {heading} | {' | '.join(servers)} |", "| --- " * (len(servers) + 1) + "|"]
        for name in present:
            what = load(name).WHAT
            lines.append(f"| {what} (`{name}`) | {' | '.join(_cell(found.get((name, each))) for each in servers)} |")
            if any("good" in row for row in rows if row["attack"] == name):
                good = [str(found.get((name, each), {}).get("good", "")) for each in servers]
                lines.append(f"| beside it: others' new names that were resolved | {' | '.join(good)} |")
            if name in ("amplification", "nxns"):
                came = [str(found.get((name, each), {}).get("counted", "")) for each in servers]
                lines.append(f"| what came of it | {' | '.join(came)} |")
            worst += _worst(name, [row for row in rows if row["attack"] == name])
        lines.append("")
    lines += ["streamdns is the worst of all in:", "", *(_said(worst) if worst else ["- nothing"])]
    return "\n".join(lines)


def _cell(row: dict[str, Any] | None) -> str:
    if row is None:
        return ""
    if row["p50_ms"] is None:
        return f"all lost; {row['resident_mb']:.0f} MB"
    lost = f"; {row['lost']} of {row['looks']} lost" if row["lost"] else ""
    return (f"{_short(row['cpu_max_ms'])}; {_short(row['p50_ms'])}, {_short(row['max_ms'])}{lost}; "
            f"{row['resident_mb']:.0f} MB")


class Worst(NamedTuple):
    """One figure in which streamdns is the worst of all, beside the next worst."""

    attack: str
    figure: str
    ours: float
    others: float


def _worst(name: str, rows: list[dict[str, Any]]) -> Iterator[Worst]:
    """In which figures streamdns is the worst beside others, who have an answer at all."""
    ours = next((row for row in rows if row["server"] == _OURS), None)
    others = [row for row in rows if row["server"] != _OURS]
    if ours is None or not others:
        return
    for key in _WORDS:
        figures = [row[key] for row in others if row[key] is not None]
        # Whose answers were all lost has no times: those are worse than any.
        if ours[key] is not None and len(figures) == len(others) and ours[key] > max(figures):
            yield Worst(name, key, ours[key], max(figures))


def _said(worst: list[Worst]) -> Iterator[str]:
    """Where streamdns is the worst of all: each attack where others wait longer for it, else the widest one alone."""
    for key, (words, unit, each) in _WORDS.items():
        found = sorted((one for one in worst if one.figure == key), key=lambda one: one.ours - one.others, reverse=True)
        if found:
            shown = "; ".join(f"{one.attack} {_short(one.ours)}{unit} against {_short(one.others)}"
                              for one in (found if each else found[:1]))
            more = "" if each else f"in {len(found)} attacks, furthest in "
            yield f"- {words}: {more}{shown}"


def _short(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def main() -> int:
    """Print the tables, or write them into the document."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hardening_table", description=__doc__)
    parser.add_argument("file", type=pathlib.Path, help="what `python -m benchmarks hardening` has written")
    parser.add_argument("--write", action="store_true", help="put them into docs/hardening.md")
    arguments = parser.parse_args()
    made = tables(json.loads(arguments.file.read_text()))
    if not arguments.write:
        print(made)
        return 0
    return put(made, BEGIN, END)


def put(made: str, begin: str, end: str) -> int:
    """Write what was made into the document, between two marks; 1 where these are not there."""
    text = DOCUMENT.read_text()
    before, found, rest = text.partition(begin)
    _, last, after = rest.partition(end)
    if not found or not last:
        print(f"{DOCUMENT} has no place for them: {begin}", file=sys.stderr)
        return 1
    DOCUMENT.write_text(f"{before}{begin}\n\n{made}\n\n{end}{after}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
