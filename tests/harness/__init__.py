"""Everything the tests share: a real streamdns as a subprocess, other servers as judges, waiting with a deadline."""

from __future__ import annotations

from tests.harness.peers import Bind, Knot, Nsd, Peer, check_zone, require_tools
from tests.harness.process import ROOT, free_port, next_ms, wait_until
from tests.harness.server import Server, ServerDied, event_line

__all__ = [
    "ROOT",
    "Bind",
    "Knot",
    "Nsd",
    "Peer",
    "Server",
    "ServerDied",
    "check_zone",
    "event_line",
    "free_port",
    "next_ms",
    "require_tools",
    "wait_until",
]
