"""Judges the settings of a Kafka topic: warns of unwise ones, and refuses those that would lose names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

_DAY_MS: Final = 86_400_000
_LEAST_TOMBSTONE_DAYS: Final = 7
_MANY_PARTITIONS: Final = 64


class Leader(NamedTuple):
    """The broker that leads a partition."""

    id: int
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic of a cluster; `error` is Kafka's code, `replicas` maps each partition to the number of its copies.

    `leaders` has the partitions that are led by somebody.
    """

    name: str
    error: int
    id: str
    replicas: dict[int, int]
    leaders: dict[int, Leader] = field(default_factory=dict)


class Findings(NamedTuple):
    """What was found, a sentence each: `warnings` of what is unwise, `refusals` of what loses data."""

    warnings: list[str]
    refusals: list[str]


def check(topic: Topic, settings: Mapping[str, str], *, fetch_max_bytes: int) -> Findings:
    """Judge a topic with these settings, as DescribeConfigs has them."""
    warnings: list[str] = []
    refusals: list[str] = []
    name = f"topic {topic.name}"
    policies = {word.strip() for word in settings.get("cleanup.policy", "").split(",")} - {""}
    if "compact" not in policies:
        policy = settings.get("cleanup.policy")
        warnings.append(f"{name}: cleanup.policy is {policy}, and without compact the log only grows")
    if "delete" in policies:
        limits = [f"{key} is {settings[key]}" for key in ("retention.ms", "retention.bytes")
                  if settings.get(key, "-1") != "-1"]
        if limits:
            refusals.append(f"{name}: cleanup.policy has delete and {' and '.join(limits)}, so names that do not "
                            "change are lost; set cleanup.policy=compact, or DNS_KAFKA_ALLOW_LOSSY_TOPIC=true to go on")
    tombstones_ms = _number(settings, "delete.retention.ms")
    if "compact" in policies and tombstones_ms is not None and tombstones_ms < _LEAST_TOMBSTONE_DAYS * _DAY_MS:
        warnings.append(f"{name}: delete.retention.ms is {tombstones_ms}: a node that is away for more than "
                        f"{tombstones_ms / 3_600_000:.3g} h may miss deletes")
    largest = _number(settings, "max.message.bytes")
    if largest is not None and largest > fetch_max_bytes:
        limit = f"DNS_KAFKA_FETCH_MAX_BYTES={fetch_max_bytes}"
        warnings.append(f"{name}: max.message.bytes is {largest}, more than {limit}")
    if len(topic.replicas) > _MANY_PARTITIONS:
        warnings.append(f"{name} has {len(topic.replicas)} partitions, which makes every read more work")
    alone = sum(1 for count in topic.replicas.values() if count < 2)
    if alone:
        warnings.append(f"{name}: {alone} of {len(topic.replicas)} partitions have a replication factor of 1")
    return Findings(warnings, refusals)


def keeps_deletes_s(topics: Iterable[Mapping[str, str] | None]) -> float | None:
    """Give how long each of these topics keeps a tombstone at least; None where none is compacted.

    Of a topic whose settings are not shown (None), or that has none of its own, Kafka's default is assumed.
    """
    kept_ms: list[int] = []
    for settings in topics:
        found = settings or {}
        if "compact" in found.get("cleanup.policy", "compact"):
            own_ms = _number(found, "delete.retention.ms")
            kept_ms.append(_DAY_MS if own_ms is None else own_ms)
    return min(kept_ms) / 1000 if kept_ms else None


def _number(settings: Mapping[str, str], name: str) -> int | None:
    try:
        return int(settings[name])
    except (KeyError, ValueError):
        return None
