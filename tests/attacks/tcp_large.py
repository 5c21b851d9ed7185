"""A large RRset, sixteen times in one piece, on a thousand connections that read nothing."""

from tests.attacks.target import Target, pour
from tests.attacks.zone import framed, query

WHAT = "1,000 connections x 16 queries for 4,000 A records (64 KB), answers not read"


def run(target: Target) -> None:
    """From 30 addresses."""
    pour(target, framed(query("huge.example.org")) * 16, number=1000, clients=30, read=False, pause_s=0.2)
