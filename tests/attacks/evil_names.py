"""Answers whose names cost most to read, in RDATA."""

from tests.attacks.resolving import ask
from tests.attacks.target import Target

WHAT = "2 questions a second whose answers are 4,000 records of names behind 124 pointers each"


def run(target: Target) -> None:
    """From one address."""
    ask(target, "{}.names.evil.example", rate=2, sources=1)
