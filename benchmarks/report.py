"""Prints tables for people and writes JSON for machines."""

from __future__ import annotations

import datetime
import json
import pathlib
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

_QUIET = 0.02  # Shares of the machine below this do not show in the figures.


@dataclass(slots=True)
class Result:
    """What one benchmark found: rows of figures, and rows that could not be had, with the reason."""

    title: str
    columns: Sequence[tuple[str, str]]
    rows: list[dict[str, Any]] = field(default_factory=list)
    skipped: list[dict[str, str]] = field(default_factory=list)
    parameters: dict[str, Any] = field(default_factory=dict)
    disturbance: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    """How long all of it took."""

    def skip(self, row: str, reason: str) -> None:
        """Leave a row out, saying why."""
        self.skipped.append({"row": row, "reason": reason})

    def table(self) -> str:
        """The rows under their headings; `columns` are (key of the row, heading)."""
        cells = [[heading for _, heading in self.columns]]
        cells += [[shown(row.get(key)) for key, _ in self.columns] for row in self.rows]
        widths = [max(len(line[number]) for line in cells) for number in range(len(self.columns))]
        cells.insert(1, ["-" * width for width in widths])
        left = [all(not isinstance(row.get(key), int | float) for row in self.rows) for key, _ in self.columns]
        lines = [
            "  ".join(c.ljust(w) if is_left else c.rjust(w) for c, w, is_left in zip(line, widths, left, strict=True))
            for line in cells
        ]
        lines = [f"\n{self.title}", *(line.rstrip() for line in lines)]
        lines += [f"not measured: {each['row']}: {each['reason']}" for each in self.skipped]
        if sum(self.disturbance.values()) > _QUIET:
            shares = {name: f"{100 * share:.0f} %" for name, share in self.disturbance.items()}
            lines.append(f"disturbed: other processes took {shares['others']} of the machine meanwhile, "
                         f"the hypervisor {shares['stolen']}; times by the clock are not to be trusted")
        return "\n".join(lines)

    def document(self) -> dict[str, Any]:
        """The same for JSON."""
        return {
            "title": self.title, "columns": self.columns, "parameters": self.parameters, "seconds": self.seconds,
            "disturbance": self.disturbance, "rows": self.rows, "skipped": self.skipped,
        }


def shown(value: Any) -> str:
    """A figure as tables have it."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def median(values: Iterable[float]) -> float:
    """The median of the runs."""
    return statistics.median(values)


def ratios(values: Sequence[float], others: Sequence[float]) -> list[float]:
    """The ratios of runs that were made side by side."""
    return [a / b for a, b in zip(values, others, strict=True)]


def ratio(values: Sequence[float], others: Sequence[float]) -> float:
    """The median of those ratios."""
    return statistics.median(ratios(values, others))


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that is not less than `share` (0..1) of all."""
    ordered = sorted(values)
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)]


def write(folder: pathlib.Path, document: dict[str, Any]) -> pathlib.Path:
    """Write the JSON of a run under the moment and the commit and return where."""
    folder.mkdir(parents=True, exist_ok=True)
    moment = datetime.datetime.now(tz=datetime.UTC)
    name = f"{moment:%Y%m%dT%H%M%SZ}-{(document['commit'] or 'unknown')[:10]}-{document['benchmark']}.json"
    path = folder / name
    path.write_text(json.dumps({"date": moment.isoformat(timespec="seconds")} | document, indent=1) + "\n")
    return path
