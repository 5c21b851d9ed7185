"""Plain queries over UDP: what the others of their rate are compared with."""

from tests.attacks.target import Target, shoot
from tests.attacks.zone import query

WHAT = "5,000 plain queries a second"


def run(target: Target) -> None:
    """From 50 addresses."""
    target.rate = target.rate or 5_000.0
    packet = query("www.example.org")
    shoot(target, lambda: packet, sources=50)
