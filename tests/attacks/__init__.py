"""Attacks as programs: each module is one, run by `python -m tests.attacks NAME --port=N` against any server.

tests/integration/test_attacks.py runs them against streamdns with bounds, `python -m benchmarks hardening` against
other servers, too, and `python -m benchmarks soak` in random turns for hours. They send to 127.0.0.0/8, no further.
"""

from __future__ import annotations

import importlib
from typing import Protocol, cast

from tests.attacks.target import Target

#: Against what, in the order of the report: a server of zones, its resolver, its admin API, the log that it reads.
ZONE = ("tcp_alias", "tcp_large", "tcp_plain", "tcp_options", "tcp_dnames", "tcp_idle", "tcp_trickle", "tcp_churn",
        "udp_plain", "udp_mutated", "udp_depth", "udp_options", "udp_cookies", "udp_types", "amplification")
RESOLVER = ("evil_names", "evil_owners", "wrong_replies", "silent_servers", "nxns")
ADMIN = ("admin_search", "admin_records", "admin_streams", "admin_slow", "admin_requests")
LOG = ("events_nested", "events_metadatas", "events_spellings", "events_types", "events_flood")
NAMES = ZONE + RESOLVER + ADMIN + LOG


class Attack(Protocol):
    """What a module of this package is: WHAT says it in a sentence, `run` goes on until the target says it is over."""

    WHAT: str

    def run(self, target: Target) -> None: ...


def load(name: str) -> Attack:
    """The attack with this name."""
    if name not in NAMES:
        raise ValueError(f"there is no attack {name}; there are {', '.join(NAMES)}")
    return cast(Attack, importlib.import_module(f"{__name__}.{name}"))
