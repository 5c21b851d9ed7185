"""Queries that are full of empty EDNS options, 64 KiB each."""

import struct

from tests.attacks.target import Target, pour
from tests.attacks.zone import framed, query, with_options

WHAT = "100 connections x a query of 64 KB, full of empty EDNS options"


def run(target: Target) -> None:
    """From 5 addresses."""
    message = with_options(query("www.example.org"), struct.pack(">HH", 65001, 0) * 16_000)
    pour(target, framed(message), number=100, clients=5, read=True)
