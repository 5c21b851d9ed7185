"""Mutated queries, as the fuzzer makes them, over UDP."""

import random

from tests.attacks.target import Target, shoot
from tests.unit.dns.packets import mutated, valid

WHAT = "5,000 mutated queries a second over UDP"


def run(target: Target) -> None:
    """From 50 addresses; a few thousand packets over and over."""
    target.rate = target.rate or 5_000.0
    rng = random.Random(target.seed)
    packets = [mutated(rng) if rng.random() < 0.9 else valid(rng) for _ in range(5000)]
    shoot(target, lambda: rng.choice(packets), sources=50)
