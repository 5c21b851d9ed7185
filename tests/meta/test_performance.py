"""docs/performance.md: a place for every benchmark, tables and picture that say the same, made by code from a run."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import Any

import pytest

from benchmarks import performance, picture
from benchmarks.__main__ import ALL
from benchmarks.by_kind import NAMES
from benchmarks.kinds import MIX

_SVG = "{http://www.w3.org/2000/svg}"
_MACHINE = {"cpu": "a <fast> processor", "cores": 2, "kernel": "6.1", "python": "3.11.2"}


def _row(kind: str, server: str, *ratios: float, rate: int = 0, lost: int = 0) -> dict[str, Any]:
    return {"kind": kind, "rate": rate, "server": server, "cpu_ratio_nsd": sorted(ratios)[len(ratios) // 2],
            "cpu_ratio_nsd_of_each_round": list(ratios), "cpu_us_per_query": 4 * ratios[0], "lost": lost}


def _document(**rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "date": "2026-11-30T12:00:00+00:00", "commit": "0123456789abcdef", "modified": False, "machine": _MACHINE,
        "results": {name: {"rows": each, "skipped": [], "seconds": 300.0, "parameters": {"rounds": 3},
                           "disturbance": {"others": 0.25, "stolen": 0.0}} for name, each in rows.items()},
    }


def _kinds() -> dict[str, Any]:
    return _document(kinds=[
        _row(MIX, "streamdns", 1.5, 1.25, 2.0), _row(MIX, "NSD", 1.0, 1.0, 1.0), _row(MIX, "BIND", 3.0, 3.5, 2.5),
        _row("hit", "streamdns", 0.75, 0.5, 1.0), _row("hit", "NSD", 1.0, 1.0, 1.0),
        _row("hit", "BIND", 2.0, 2.0, 2.0, lost=7),
    ])


def test_a_table_has_ratios_with_their_spread_and_says_where_streamdns_takes_more() -> None:
    made = performance.sections(_kinds())["kinds"].splitlines()
    assert made[0] == "![CPU time per query by kind of answer, beside NSD](images/performance.svg)"
    assert made[2] == (
        "2026-11-30; commit 0123456789ab; Python 3.11.2; 2 cores of a <fast> processor; Linux 6.1; 3 rounds; "
        "5 minutes; meanwhile other processes took 25 % of the machine and the hypervisor 0 %."
    )
    assert made[4:] == [
        "| kind | streamdns: CPU x NSD | BIND: CPU x NSD | streamdns: us | NSD: us |",
        "| --- | --- | --- | --- | --- |",
        f"| **{MIX}** | 1.50 (1.25..2.00) | 3.00 (2.50..3.50) | 6 | 4 |",
        "| hit | 0.75 (0.50..1.00) | 2.00 (2.00..2.00) | 3 | 4 |",
        "",
        f"streamdns takes more CPU than NSD: {MIX} (1.50). It takes no more: hit (0.75).",
        "Lost queries: BIND: 7 at hit.",
    ]


def test_what_was_not_measured_is_said_with_the_reason() -> None:
    document = _document(tcp=[])
    document["results"]["tcp"]["skipped"] = [{"row": "all", "reason": "not installed: dnsperf (apt install dnsperf)"}]
    assert "Not measured: all: not installed: dnsperf (apt install dnsperf)." in performance.sections(document)["tcp"]


def test_a_run_of_one_benchmark_changes_its_tables_alone() -> None:
    places = [f"{performance.begin(name)}\n\nold {name}\n\n{performance.end(name)}\nwords\n" for name in ("a", "b")]
    text = "".join(places)
    made = performance.replaced(text, {"b": "new"})
    assert made == text.replace("old b", "new")
    assert performance.replaced(made, {"b": "new"}) == made
    with pytest.raises(AssertionError, match="there is no place for c"):
        performance.replaced(text, {"c": "new"})


def test_the_page_has_a_place_for_every_benchmark_and_each_is_filled() -> None:
    """With what was measured, or with how to measure it where that was not done yet."""
    text = performance.DOCUMENT.read_text(encoding="utf-8")
    assert sorted(performance.places(text)) == sorted(performance.NAMES) == sorted(ALL)
    for name in performance.NAMES:
        body = text.partition(performance.begin(name))[2].partition(performance.end(name))[0]
        assert re.search(r"; commit [0-9a-f]{12}", body) or f"`make bench BENCH={name}`" in body, name


def test_the_picture_of_the_page_is_of_the_run_of_its_table() -> None:
    """The ratios of streamdns, which the picture has in its title for those who cannot see it."""
    text = performance.DOCUMENT.read_text(encoding="utf-8")
    assert ("(images/performance.svg)" in text) == performance.PICTURE.exists()
    if not performance.PICTURE.exists():
        pytest.skip("answers by kind were not measured yet")
    body = text.partition(performance.begin("kinds"))[2].partition(performance.end("kinds"))[0]
    table = dict(re.findall(r"^\| \**([^|*]+?)\** \| ([\d.]+) \(", body, re.MULTILINE))
    title = ET.fromstring(performance.PICTURE.read_text(encoding="utf-8")).findtext(f"{_SVG}title")
    drawn = dict(re.findall(r"(?:: |; )([^;]+?) ([\d.]+)(?=;|$)", title or ""))
    assert table == drawn
    assert table.keys() == set(NAMES)


def test_a_picture_shows_every_server_at_its_place_and_fetches_nothing() -> None:
    drawn = picture.draw(_kinds())
    root = ET.fromstring(drawn)
    assert re.findall(r"https?://[^\"]+", drawn) == ["http://www.w3.org/2000/svg"]
    assert "prefers-color-scheme: dark" in drawn
    assert "a &lt;fast&gt; processor" in drawn
    axis = {float(line.get("x1", "")): line.get("class", "") for line in root.iter(f"{_SVG}line")
            if line.get("class") in ("grid", "one")}
    one = next(x for x, name in axis.items() if name == "one")
    step = sorted(axis)[1] - sorted(axis)[0]
    circles = [float(circle.get("cx", "")) for circle in root.iter(f"{_SVG}circle")]
    # The legend's, then the mix at 1.5 and the hit at 0.75, which is half of it.
    assert circles[1] - circles[2] == pytest.approx(step, abs=0.2)
    assert circles[2] < one < circles[1]
    assert len(list(root.iter(f"{_SVG}polygon"))) == 3, "BIND in the legend and at both kinds"


def test_without_nsd_there_is_nothing_to_draw() -> None:
    row = _row("hit", "streamdns", 1.0) | {"cpu_ratio_nsd": None, "cpu_ratio_nsd_of_each_round": None}
    assert not picture.draw(_document(kinds=[row]))
