"""Draws the results of `kinds` as SVG: for each kind of answer the CPU time per query of every server, NSD's being 1.

Plain SVG with the fonts of the viewer. It has a background of its own, and is light or dark as the viewer wants.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from xml.sax.saxutils import escape

from benchmarks.kinds import MIX
from benchmarks.report import median

_WIDTH, _LEFT, _RIGHT, _TOP, _BOTTOM = 860, 150, 70, 96, 76
_LANE, _PADDING = 8, 6
_STYLE = """
  text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2328 }
  .title { font-size: 17px; font-weight: 600 }
  .mix { font-weight: 600 }
  .small { font-size: 12px; fill: #59636e }
  .number { font-weight: 600; font-variant-numeric: tabular-nums }
  .page { fill: #ffffff; stroke: #d1d9e0 }
  .band { fill: #f6f8fa }
  .grid { stroke: #d1d9e0 }
  .one { stroke: #59636e; stroke-width: 1.5 }
  .s0 { fill: #0860ca; stroke: #0860ca }
  .s1 { fill: #c04f00; stroke: #c04f00 }
  .s2 { fill: #00805e; stroke: #00805e }
  .s3 { fill: #a8437f; stroke: #a8437f }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .small { fill: #9198a1 }
    .page { fill: #0d1117; stroke: #3d444d }
    .band { fill: #151b23 }
    .grid { stroke: #3d444d }
    .one { stroke: #9198a1 }
    .s0 { fill: #58a6ff; stroke: #58a6ff }
    .s1 { fill: #ff9b4e; stroke: #ff9b4e }
    .s2 { fill: #3fc79a; stroke: #3fc79a }
    .s3 { fill: #e89ac7; stroke: #e89ac7 }
  }
"""
#: Who is drawn, in this order; NSD is the line at 1.
SERVERS = ("streamdns", "Knot", "PowerDNS", "BIND")
_REFERENCE = "NSD"


class _Spread(NamedTuple):
    """Ratios to NSD of one server at one kind: the least, the median, the most of all rounds."""

    least: float
    middle: float
    most: float


def draw(document: Mapping[str, Any]) -> str:
    """The picture of a run's document, or nothing where NSD was not measured."""
    found = _found(document["results"]["kinds"]["rows"])
    kinds = list(dict.fromkeys(kind for kind, _ in found))
    servers = [server for server in SERVERS if any((kind, server) in found for kind in kinds)]
    if not kinds:
        return ""
    row = _LANE * len(servers) + 2 * _PADDING
    height = _TOP + row * len(kinds) + _BOTTOM
    place, ticks = _scale(found.values())
    below_title, below_axis, last = _captions(document)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" aria-labelledby="title">',
        f'<title id="title">{escape(_sentence(found, kinds))}</title>', f"<style>{_STYLE}</style>",
        f'<rect class="page" x="0.5" y="0.5" width="{_WIDTH - 1}" height="{height - 1}" rx="6"/>',
        '<text class="title" x="20" y="30">CPU time per query by kind of answer, NSD = 1</text>',
        f'<text class="small" x="20" y="50">{escape(below_title)}</text>', *_legend(servers),
    ]
    parts += [f'<rect class="band" x="1" y="{_TOP + row * n}" width="{_WIDTH - 2}" height="{row}"/>'
              for n in range(0, len(kinds), 2)]
    bottom = height - _BOTTOM
    for tick in ticks:
        parts.append(f'<line class="{"one" if tick == 1 else "grid"}" x1="{place(tick):.1f}" x2="{place(tick):.1f}" '
                     f'y1="{_TOP}" y2="{bottom}"/>')
        parts.append(f'<text class="small" x="{place(tick):.1f}" y="{bottom + 18}" text-anchor="middle">'
                     f'{f"{_REFERENCE} = 1" if tick == 1 else f"{tick:g}"}</text>')
    for number, kind in enumerate(kinds):
        top = _TOP + row * number
        name = "mix" if kind == MIX else "kind"
        parts.append(f'<text class="{name}" x="20" y="{top + row / 2 + 4.5:g}">{escape(kind)}</text>')
        for lane, server in enumerate(servers):
            if (kind, server) in found:
                parts += _mark(found[kind, server], place, top + _PADDING + _LANE * (lane + 0.5), SERVERS.index(server))
        if (kind, SERVERS[0]) in found:
            parts.append(f'<text class="number" x="{_WIDTH - 20}" y="{top + row / 2 + 4.5:g}" text-anchor="end">'
                         f"{found[kind, SERVERS[0]].middle:.2f}</text>")
    parts.append(f'<text class="small" x="20" y="{height - 32}">{escape(below_axis)}</text>')
    parts.append(f'<text class="small" x="20" y="{height - 14}">{escape(last)}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _found(rows: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], _Spread]:
    found = {}
    for row in rows:
        ratios = row["cpu_ratio_nsd_of_each_round"]
        if ratios and row["server"] in SERVERS:
            found[row["kind"], row["server"]] = _Spread(min(ratios), median(ratios), max(ratios))
    return found


def _scale(found: Iterable[_Spread]) -> tuple[Callable[[float], float], list[float]]:
    """Where a ratio stands on the logarithmic axis, and the ratios that have a line."""
    spreads = list(found)
    least = min(math.floor(math.log2(min(each.least for each in spreads))), -1)
    most = max(math.ceil(math.log2(max(each.most for each in spreads))), 2)
    wide = _WIDTH - _LEFT - _RIGHT

    def place(ratio: float) -> float:
        return _LEFT + wide * (math.log2(ratio) - least) / (most - least)

    return place, [2.0**power for power in range(least, most + 1)]


def _mark(spread: _Spread, place: Callable[[float], float], y: float, series: int) -> list[str]:
    """The line from least to most, and a sign of the series' own shape at the median."""
    x = place(spread.middle)
    wide = 3 if series == 0 else 1.5
    ends = f'x1="{place(spread.least):.1f}" x2="{place(spread.most):.1f}" y1="{y:g}" y2="{y:g}"'
    return [f'<line class="s{series}" stroke-width="{wide}" {ends}/>', _sign(x, y, series)]


def _sign(x: float, y: float, series: int) -> str:
    """Circle, square, triangle, diamond: who does not see the colours sees these."""
    if series == 0:
        return f'<circle class="s0" cx="{x:.1f}" cy="{y:g}" r="5"/>'
    corners = {1: ((-3.5, -3.5), (3.5, -3.5), (3.5, 3.5), (-3.5, 3.5)), 2: ((0, -4), (4, 3.5), (-4, 3.5)),
               3: ((0, -4.5), (4.5, 0), (0, 4.5), (-4.5, 0))}[series]
    points = " ".join(f"{x + dx:.1f},{y + dy:g}" for dx, dy in corners)
    return f'<polygon class="s{series}" stroke-width="0" points="{points}"/>'


def _legend(servers: Sequence[str]) -> list[str]:
    parts = []
    for number, server in enumerate(servers):
        x = _LEFT + 110 * number
        parts += [_sign(x, 74, SERVERS.index(server)), f'<text x="{x + 12}" y="78.5">{server}</text>']
    return parts


def _captions(document: Mapping[str, Any]) -> tuple[str, str, str]:
    """What stands below the title, below the axis, and at the end."""
    machine, parameters = document["machine"], document["results"]["kinds"]["parameters"]
    return (
        f"UDP, as fast as it is answered, one core each, {parameters['rounds']} rounds in turns",
        f"mark: median of the rounds; line: least and most; logarithmic scale; the numbers are those of {SERVERS[0]}",
        f"{machine['cpu']}, Python {machine['python']}, commit {(document['commit'] or 'unknown')[:12]}",
    )


def _sentence(found: Mapping[tuple[str, str], _Spread], kinds: Sequence[str]) -> str:
    """The picture in words, for those who cannot see it."""
    own = "; ".join(f"{kind} {found[kind, SERVERS[0]].middle:.2f}" for kind in kinds if (kind, SERVERS[0]) in found)
    return f"CPU time per query of {SERVERS[0]} by that of NSD: {own}"
