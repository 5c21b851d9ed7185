"""An alias of a large RRset, sixteen times in one piece, on 900 connections that read nothing."""

from tests.attacks.target import Target, pour
from tests.attacks.zone import framed, query

WHAT = "900 connections x 16 queries for an alias of 4,000 A records, answers not read"


def run(target: Target) -> None:
    """From 30 addresses."""
    pour(target, framed(query("far.example.org")) * 16, number=900, clients=30, read=False, pause_s=0.2)
