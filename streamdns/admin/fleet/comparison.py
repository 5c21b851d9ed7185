"""Decides whether two nodes hold the same data, from what each reports of itself. No I/O."""

from __future__ import annotations

from typing import NamedTuple

from streamdns.admin.schema.peers import NodeReport

_Partition = tuple[str, int]


class Comparison(NamedTuple):
    """The result: `diverges` is None where nothing could be compared; `where` says at which positions, in words."""

    diverges: bool | None
    where: str


def compare(mine: NodeReport, theirs: NodeReport) -> Comparison:
    """Compare the reports of two nodes of the same log.

    At the same positions the digests decide. Otherwise each partition is compared by its own digest: where both are at
    the same position of it, else at marks that both have passed. A single mark is not believed: of a log that was
    compacted meanwhile, a node that reads it later never sees some values that the other has had.
    """
    at, there = _positions(mine), _positions(theirs)
    if at == there:
        return Comparison(mine.digest != theirs.digest, "the same positions")
    if mine.contested or theirs.contested:
        return Comparison(None, "")
    one, other = _digests(mine), _digests(theirs)
    compared: list[str] = []
    for partition in sorted(at.keys() & there.keys()):
        shown = f"{partition[0]}/{partition[1]}"
        if at[partition] == there[partition] and one[partition] and other[partition]:
            if one[partition] != other[partition]:
                return Comparison(True, f"{shown} at {at[partition]}")
            compared.append(f"{shown} at {at[partition]}")
            continue
        same = _at_marks(mine, theirs, partition)
        if same is not None:
            position, agrees = same
            if not agrees:
                return Comparison(True, f"{shown} at {position}")
            compared.append(f"{shown} at {position}")
    return Comparison(False if compared else None, ", ".join(compared))


def queries_per_s(before: NodeReport | None, now: NodeReport) -> float | None:
    """Return how many queries a node answered in a second between two of its reports, by its own clock.

    None where that cannot be told: it does not count them, was started anew, or had its clock set back.
    """
    if before is None or before.queries is None or now.queries is None or now.time <= before.time:
        return None
    grown = now.queries - before.queries
    return None if grown < 0 else round(1000 * grown / (now.time - before.time), 3)


def _at_marks(mine: NodeReport, theirs: NodeReport, partition: _Partition) -> tuple[int, bool] | None:
    """Return the last common mark of a partition and whether both nodes agree there; None where that cannot be told."""
    one, other = _marks(mine, partition), _marks(theirs, partition)
    common = sorted(one.keys() & other.keys())[-2:]
    differing = [position for position in common if one[position] != other[position]]
    if not common:
        return None
    if common[-1] not in differing:
        return common[-1], True
    return (common[-1], False) if len(differing) == 2 else None


def _positions(report: NodeReport) -> dict[_Partition, int]:
    return {(each.topic, each.partition): each.position for each in report.positions if each.position}


def _digests(report: NodeReport) -> dict[_Partition, str]:
    return {(each.topic, each.partition): each.digest for each in report.positions}


def _marks(report: NodeReport, partition: _Partition) -> dict[int, str]:
    return {each.position: each.digest for each in report.marks if (each.topic, each.partition) == partition}
