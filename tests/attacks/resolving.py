"""Asks a resolver for names that were never asked before, at a rate, from many networks."""

from __future__ import annotations

import random

from tests.attacks.target import Target, shoot
from tests.attacks.zone import query


def ask(target: Target, pattern: str, *, rate: float, sources: int) -> None:
    """Questions for `pattern` with a random label in it."""
    target.rate = target.rate or rate
    rng = random.Random(target.seed)

    def packet() -> bytes:
        return query(pattern.format(f"n{rng.randrange(10**12)}"), number=rng.randrange(65536))

    shoot(target, packet, sources=sources, burst=max(1, int(target.rate / 100)))
