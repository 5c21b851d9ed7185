"""The conformance set beside the checkout: answers on which NSD, Knot, BIND and PowerDNS agree."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.harness import Server, conformance


@pytest.mark.conformance
@pytest.mark.timeout(300)
def test_every_answer_and_every_packet(serve: Callable[..., Server]) -> None:
    """check.py finds no difference in a server that was fed with the events by the file log."""
    server = serve(start=False)
    conformance.feed(server)
    server.start()
    server.wait_applied(timeout_s=60)
    conformance.check(server)
