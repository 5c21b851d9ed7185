"""The conformance set beside the checkout: answers on which NSD, Knot, BIND and PowerDNS agree."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.conftest import CONFORMANCE
from tests.harness import Server, event_line


@pytest.mark.conformance
@pytest.mark.timeout(300)
def test_every_answer_and_every_packet(serve: Callable[..., Server]) -> None:
    """check.py finds no difference in a server that was fed with the events by the file log."""
    server = serve(start=False)
    with gzip.open(CONFORMANCE / "events.jsonl.gz", "rt", encoding="utf-8") as file:
        events = [json.loads(line) for line in file]
    server.append(event_line(event["key"], event["value"], 0) for event in events)
    server.start()
    server.wait_applied(timeout_s=60)
    done = subprocess.run(
        [sys.executable, "-B", "check.py", f"127.0.0.1:{server.port}"],
        cwd=CONFORMANCE, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=240, check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert done.stdout.splitlines()[-1] == "answers 7177 of 7177, authority 6092 of 6092, packets 276 of 276"
