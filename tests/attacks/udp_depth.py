"""Random names below a zone and below a wildcard, some of a hundred labels: what no cache has."""

import random

from tests.attacks.target import Target, shoot
from tests.attacks.zone import query

WHAT = "3,000 queries a second for random names of up to 120 labels (NXDOMAIN and wildcard)"


def run(target: Target) -> None:
    """From 50 addresses."""
    target.rate = target.rate or 3_000.0
    rng = random.Random(target.seed)

    def packet() -> bytes:
        labels = rng.choice((1, 1, 60, 110))
        below = rng.choice(("example.org", "wild.example.org"))
        return query(".".join([f"{rng.randrange(10**8):x}"[:8], *["a"] * labels, below]), number=rng.randrange(65536))

    packets = [packet() for _ in range(4000)]
    shoot(target, lambda: rng.choice(packets), sources=50)
