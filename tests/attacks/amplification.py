"""Small queries for large answers, all from one network: what somebody sends who forges the address of another."""

import os

from tests.attacks.target import Target, shoot
from tests.attacks.zone import query, with_options

WHAT = "3,000 queries a second for a TXT record of 1 KB, all from one /24, as if the sender were forged"


def run(target: Target) -> None:
    """From one address; counts octets in both directions."""
    target.rate = target.rate or 3000.0
    wire = with_options(query("text.example.org", "TXT"), b"")
    shoot(target, lambda: os.urandom(2) + wire[2:], sources=1, burst=16)
