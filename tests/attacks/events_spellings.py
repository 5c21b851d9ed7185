"""The same RRset under thousands of spellings of its key."""

import random

from tests.attacks.producing import produce
from tests.attacks.target import Target

WHAT = "2,000 events a second of one RRset under other spellings of its key"


def run(target: Target) -> None:
    """Each spelling that is not canonical is listed as a conflict."""
    rng = random.Random(target.seed)
    name = "spelt.example.org."
    value = b'[{"name":"spelt.example.org.","type":"A","content":"192.0.2.1"}]'

    def event(number: int) -> tuple[bytes, bytes]:
        return "".join(rng.choice((each, each.upper())) for each in name).encode() + b"|A", value

    produce(target, event, rate=2000, most=20_000)
