"""Answers whose names cost most to read, as owners."""

from tests.attacks.resolving import ask
from tests.attacks.target import Target

WHAT = "2 questions a second whose answers are 3,900 records with owners behind 124 pointers"


def run(target: Target) -> None:
    """From one address."""
    ask(target, "{}.owners.evil.example", rate=2, sources=1)
