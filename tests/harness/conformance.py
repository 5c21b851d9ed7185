"""Reads the conformance set beside the checkout: events, and answers on which NSD, Knot, BIND and PowerDNS agree."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from typing import Any

from tests.harness.process import ROOT
from tests.harness.server import HOST, Server, event_line

CONFORMANCE = ROOT.parent / "shared" / "conformance"
_ALL_OF_IT = "answers 7177 of 7177, authority 6092 of 6092, packets 276 of 276"


def events() -> list[tuple[str, Any]]:
    """Key and value of every event; no key is there twice."""
    with gzip.open(CONFORMANCE / "events.jsonl.gz", "rt", encoding="utf-8") as file:
        return [(event["key"], event["value"]) for event in map(json.loads, file)]


def feed(server: Server) -> None:
    """Append every event to the file log of a server."""
    server.append(event_line(key, value, 0) for key, value in events())


def check(server: Server) -> None:
    """check.py finds no difference."""
    done = subprocess.run(
        [sys.executable, "-B", "check.py", f"{HOST}:{server.port}"],
        cwd=CONFORMANCE, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=240, check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert done.stdout.splitlines()[-1] == _ALL_OF_IT
