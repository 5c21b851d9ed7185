"""Judges the policies of a Pulsar topic, a sentence for each that is unwise."""

from __future__ import annotations

from typing import Any, Final

_MANY_PARTITIONS: Final = 64
_LEAST_RETENTION_MINUTES: Final = 30 * 24 * 60


def warnings_of(topic: str, partitions: int, retention: Any, threshold: Any, *, known: bool) -> list[str]:
    """Judge a topic by its policies as the admin API has them; None stands for the broker's own default.

    `retention` has retentionTimeInMinutes and retentionSizeInMB (-1: for ever), `threshold` is in octets. Where the
    policies are not `known`, only the partitions are judged.
    """
    name = f"topic {topic}"
    warnings: list[str] = []
    if partitions > _MANY_PARTITIONS:
        warnings.append(f"{name} has {partitions} partitions, each of which takes a thread and memory")
    if not known:
        return warnings
    warnings += _of_retention(name, retention)
    if not isinstance(threshold, int) or threshold <= 0:
        warnings.append(f"{name}: no compaction threshold is set, so the log is only compacted by hand: a first fill "
                        "reads more and more")
    return warnings


def _of_retention(name: str, retention: Any) -> list[str]:
    if not isinstance(retention, dict):
        return [(f"{name}: no retention is set, and the broker's default is to keep nothing that was read: a node that "
                 "was away rebuilds; set it to -1 (for ever)")]
    minutes, megabytes = retention.get("retentionTimeInMinutes", 0), retention.get("retentionSizeInMB", 0)
    limits = []
    if 0 <= minutes < _LEAST_RETENTION_MINUTES:
        limits.append(f"{minutes} minutes ({minutes / 1440:.3g} days)")
    if megabytes >= 0:
        limits.append(f"{megabytes} MB")
    if not limits:
        return []
    return [(f"{name}: retention is {' and '.join(limits)}: a node that is away while more is written, or for longer, "
             "rebuilds; set both limits to -1 (for ever), or well above the longest outage")]
