"""Plain queries on a thousand connections, as fast as they are answered."""

from tests.attacks.target import Target, pour
from tests.attacks.zone import framed, query

WHAT = "1,000 connections x 16 plain queries, again as soon as they are answered"


def run(target: Target) -> None:
    """From 30 addresses."""
    pour(target, framed(query("www.example.org")) * 16, number=1000, clients=30, read=True)
