"""The options of a run: sizes, durations, cores; all of them are written to the JSON."""

from __future__ import annotations

import os
import pathlib
from dataclasses import dataclass

from tests.attacks import NAMES as ATTACKS

#: Groups of workloads of the resolver: nothing is wrong, packets get lost, servers are dead.
RESOLVER_PARTS = ("quiet", "lossy", "dead")

#: The Kafka brokers that are measured, each with a client that it can serve.
KAFKA_READERS = ("3.9.2-pykafka", "3.9.2-confluent", "4.4.0-confluent")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """One run's choices. `runs` is how often everything is repeated before medians are taken."""

    python: str
    work: pathlib.Path
    installed: str | None = None
    """The compiled tree that streamdns runs from, None for the checkout, in which answers are made in Python."""
    runs: int = 5
    quick: bool = False
    zone_names: int = 100_000
    log_events: int = 1_000_000
    queries: int = 100_000
    seconds: int = 4
    rate: int = 5_000
    rates: tuple[int, ...] = (5_000, 20_000)
    turn_seconds: float = 0.6
    connections: int = 100
    event_rate: int = 1_000
    latency_events: int = 500
    resolver_zones: int = 1_000
    resolver_parts: tuple[str, ...] = RESOLVER_PARTS
    kafka_readers: tuple[str, ...] = KAFKA_READERS
    dead_waiting: int = 5_000
    admin_zones: int = 10_000
    admin_rate: int = 20_000
    attack_seconds: float = 6.0
    attacks: tuple[str, ...] = ATTACKS
    minutes: float = 60.0
    seed: int = 0
    outstanding: int = 64
    clients: int = 8
    server_core: int = 0
    load_cores: tuple[int, ...] = (1,)


def cores() -> tuple[int, tuple[int, ...]]:
    """The core for the server under test and those for everything else; the same one where there is no other."""
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], tuple(usable[1:]) or (usable[0],)
