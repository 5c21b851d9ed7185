"""`python -m benchmarks.performance FILE`: the results of a run as the tables of docs/performance.md.

`--write` puts them there, each between two marks, and the picture into docs/images. A run of some benchmarks changes
only their tables, so each says by itself when and where it was measured.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks import picture
from benchmarks.kinds import MIX
from benchmarks.report import shown
from tests.harness.process import ROOT

DOCUMENT = ROOT / "docs" / "performance.md"
PICTURE = ROOT / "docs" / "images" / "performance.svg"
_IMAGE = "![CPU time per query by kind of answer, beside NSD](images/performance.svg)"
_OURS, _REFERENCE = "streamdns", "NSD"
Row = Mapping[str, Any]
#: Columns of the tables that are rows as they are measured: key of the row, heading.
_PLAIN: dict[str, Sequence[tuple[str, str]]] = {
    "answers": (("workload", "workload"), ("server", "server"), ("cpu_ratio_nsd", "CPU x NSD"),
                ("cpu_us_per_query", "CPU us/query"), ("cpu_us_spread", "min..max")),
    "resolver": (("workload", "workload"), ("server", "server"), ("cpu_ratio_unbound", "CPU x Unbound"),
                 ("cpu_us_per_query", "CPU us/query"), ("cpu_us_spread", "min..max"), ("anon_mb", "MB resident")),
    "ingest": (("what", "what"), ("events_per_s", "events/s"), ("cpu_us_per_event", "CPU us/event"),
               ("used_bytes_per_record", "bytes/record"), ("anon_mb_peak", "MB resident, peak"), ("anon_mb", "after")),
    "start": (("page_cache", "page cache"), ("server", "server"), ("ms", "ms to first answer"),
              ("ms_spread", "min..max"), ("cpu_ms", "CPU ms"), ("anon_mb", "MB resident")),
    "latency": (("load", "load"), ("server", "server"), ("change_p50_ms", "safe: p50 ms"),
                ("after_p50_ms", "shown after: p50 ms"), ("after_p99_ms", "p99"), ("whole_p50_ms", "whole: p50 ms"),
                ("whole_p99_ms", "p99")),
    "workers": (("what", "what"), ("server", "server"), ("cpu_ratio_one", "CPU x one process"),
                ("cpu_us_per_query", "CPU us/query"), ("queries_per_s", "queries/s"), ("lost", "lost"), ("ms", "ms"),
                ("ms_spread", "min..max ms")),
    "kafka": (("broker", "Kafka"), ("client", "client"), ("cpu_ratio", "CPU x bare loop"), ("events_per_s", "events/s"),
              ("cpu_us_per_event", "CPU us/event"), ("anon_mb_peak", "MB resident, peak"),
              ("idle_whole_p50_ms", "event to answer: p50 ms"), ("idle_whole_p99_ms", "p99"),
              ("loaded_whole_p50_ms", "under load: p50 ms"), ("loaded_whole_p99_ms", "p99")),
    "pulsar": (("partitions", "partitions"), ("events_per_s", "events/s"), ("cpu_us_per_event", "CPU us/event"),
               ("anon_mb_peak", "MB resident, peak"), ("idle_whole_p50_ms", "event to answer: p50 ms"),
               ("idle_whole_p99_ms", "p99"), ("loaded_whole_p50_ms", "under load: p50 ms"),
               ("loaded_whole_p99_ms", "p99")),
}


def begin(name: str) -> str:
    """The mark before the tables of a benchmark."""
    return f"<!-- {name}: begin -->"


def end(name: str) -> str:
    """The mark behind them."""
    return f"<!-- {name}: end -->"


def sections(document: Mapping[str, Any]) -> dict[str, str]:
    """For each benchmark of the run that the page has a place for, its tables in Markdown."""
    made = {}
    for name, result in document["results"].items():
        write = _WRITERS.get(name)
        if write is None and name not in _PLAIN:
            continue
        lines = write(result["rows"]) if write is not None else _table(_PLAIN[name], result["rows"])
        lines = [*lines, ""] if result["rows"] else []
        lines += [f"Not measured: {each['row']}: {each['reason']}." for each in result["skipped"]]
        shows = [_IMAGE, ""] if name == "kinds" and picture.draw(document) else []
        made[name] = "\n".join([*shows, _where(document, result), "", *lines]).rstrip()
    return made


def replaced(text: str, made: Mapping[str, str]) -> str:
    """The page with these tables; AssertionError where it has no place for one."""
    for name, tables in made.items():
        before, first, rest = text.partition(begin(name))
        _, last, after = rest.partition(end(name))
        assert first, f"there is no place for {name}: {begin(name)}"
        assert last, f"the place for {name} has no end: {end(name)}"
        text = f"{before}{first}\n\n{tables}\n\n{last}{after}"
    return text


def _where(document: Mapping[str, Any], result: Mapping[str, Any]) -> str:
    """What was measured when, on what, and how much others disturbed it."""
    machine, disturbance = document["machine"], result["disturbance"]
    commit = (document["commit"] or "unknown")[:12] + (" with changes" if document["modified"] else "")
    rounds = result["parameters"].get("rounds", result["parameters"].get("runs"))
    rounds = rounds.get("quiet") if isinstance(rounds, dict) else rounds
    said = [document["date"][:10], f"commit {commit}", f"Python {machine['python']}",
            f"{machine['cores']} cores of {machine['cpu']}", f"Linux {machine['kernel']}"]
    if rounds:
        said.append(f"{rounds} rounds")
    said.append(f"{result['seconds'] / 60:.0f} minutes")
    if disturbance:
        said.append(f"meanwhile other processes took {100 * disturbance['others']:.0f} % of the machine and the "
                    f"hypervisor {100 * disturbance['stolen']:.0f} %")
    return "; ".join(said) + "."


def _table(columns: Sequence[tuple[str, str]], rows: Sequence[Row]) -> list[str]:
    lines = [f"| {' | '.join(heading for _, heading in columns)} |", "| --- " * len(columns) + "|"]
    lines += [f"| {' | '.join(shown(row.get(key)) for key, _ in columns)} |" for row in rows]
    return lines


def _of_kinds(rows: Sequence[Row]) -> list[str]:
    """A line for each kind: ratios to NSD with their spread, and microseconds; then where streamdns takes more."""
    servers = list(dict.fromkeys(row["server"] for row in rows))
    beside = [server for server in servers if server != _REFERENCE]
    us = [server for server in (_OURS, _REFERENCE) if server in servers]
    found = {(row["rate"], row["kind"], row["server"]): row for row in rows}
    ways = list(dict.fromkeys((rate, kind) for rate, kind, _ in found))
    rated = len({rate for rate, _ in ways}) > 1 or any(rate for rate, _ in ways)
    heads = [*(["queries/s"] if rated else []), "kind", *(f"{each}: CPU x {_REFERENCE}" for each in beside),
             *(f"{each}: us" for each in us)]
    lines = [f"| {' | '.join(heads)} |", "| --- " * len(heads) + "|"]
    for rate, kind in ways:
        cells = [f"{rate:,}"] if rated else []
        cells.append(f"**{kind}**" if kind == MIX else kind)
        cells += [_ratio(found.get((rate, kind, server))) for server in beside]
        cells += [shown(found.get((rate, kind, server), {}).get("cpu_us_per_query")) for server in us]
        lines.append(f"| {' | '.join(cells)} |")
    return [*lines, "", *_losses(rows)]


def _ratio(row: Row | None) -> str:
    if row is None:
        return ""
    each = row["cpu_ratio_nsd_of_each_round"]
    if not each:
        return "-"
    spread = f" ({min(each):.2f}..{max(each):.2f})" if len(each) > 1 else ""
    return f"{row['cpu_ratio_nsd']:.2f}{spread}"


def _losses(rows: Sequence[Row]) -> list[str]:
    """A sentence about where streamdns takes more CPU than NSD, and where less, and about answers that were lost."""
    ours = [row for row in rows if row["server"] == _OURS and row["cpu_ratio_nsd"] is not None]
    if not ours:
        return []

    def named(chosen: Sequence[Row]) -> str:
        return "; ".join(_name(row) + f" ({row['cpu_ratio_nsd']:.2f})" for row in chosen) or "nothing"

    more = sorted((row for row in ours if row["cpu_ratio_nsd"] > 1), key=lambda row: -float(row["cpu_ratio_nsd"]))
    less = sorted((row for row in ours if row["cpu_ratio_nsd"] <= 1), key=lambda row: float(row["cpu_ratio_nsd"]))
    lost = [f"{row['server']}: {row['lost']} at {_name(row)}" for row in rows if row["lost"]]
    return [f"streamdns takes more CPU than {_REFERENCE}: {named(more)}. It takes no more: {named(less)}.",
            *([f"Lost queries: {'; '.join(lost)}."] if lost else [])]


def _name(row: Row) -> str:
    return row["kind"] + (f" at {row['rate']:,}/s" if row["rate"] else "")


_WRITERS: dict[str, Callable[[Sequence[Row]], list[str]]] = {
    "kinds": _of_kinds, "rates": _of_kinds, "tcp": _of_kinds,
}
#: Every benchmark that the page has a place for.
NAMES = (*_WRITERS, *_PLAIN)


def places(text: str) -> list[str]:
    """The benchmarks that a page has marks for, in its order."""
    return re.findall(r"<!-- (\w+): begin -->", text)


def main() -> int:
    """Print the tables, or write them into the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.performance", description=__doc__)
    parser.add_argument("file", type=pathlib.Path, help="the JSON that `python -m benchmarks` has written")
    parser.add_argument("--write", action="store_true", help="put them into docs/performance.md, with the picture")
    arguments = parser.parse_args()
    document = json.loads(arguments.file.read_text(encoding="utf-8"))
    made = sections(document)
    if not arguments.write:
        print("\n\n".join(made.values()))
        return 0
    DOCUMENT.write_text(replaced(DOCUMENT.read_text(encoding="utf-8"), made), encoding="utf-8")
    drawn = picture.draw(document) if "kinds" in document["results"] else ""
    if drawn:
        PICTURE.write_text(drawn, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
