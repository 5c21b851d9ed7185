"""A name that holds two hundred types: each query for one of them looks at all."""

import random

from tests.attacks.target import Target, shoot
from tests.attacks.zone import query

WHAT = "1,000 queries a second for a name with 200 RRsets of 1,000 octets"


def run(target: Target) -> None:
    """From 50 addresses."""
    target.rate = target.rate or 1_000.0
    rng = random.Random(target.seed)
    packets = [query("fat.example.org", rdtype) for rdtype in ("A", "ANY", "TYPE40199", "TYPE40100")]
    shoot(target, lambda: rng.choice(packets), sources=50)
