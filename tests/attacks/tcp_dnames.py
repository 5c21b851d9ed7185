"""Names that go through fifteen DNAMEs, sixteen queries in one piece."""

from tests.attacks.target import Target, pour
from tests.attacks.zone import framed, query

WHAT = "200 connections x 16 queries that go through 15 DNAMEs"


def run(target: Target) -> None:
    """From 10 addresses."""
    pour(target, framed(query("x.x.x.d0.example.org")) * 16, number=200, clients=10, read=True)
