"""A new client cookie with each query: each needs a hash of its own."""

import os
import struct

from tests.attacks.target import Target, shoot
from tests.attacks.zone import query, with_options

WHAT = "5,000 queries a second with a new DNS cookie each"


def run(target: Target) -> None:
    """From 50 addresses."""
    target.rate = target.rate or 5_000.0
    wire = query("www.example.org")
    shoot(target, lambda: with_options(wire, struct.pack(">HH", 10, 8) + os.urandom(8)), sources=50)
