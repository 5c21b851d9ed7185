"""Imports through the file log while everything is asked for without pause: nothing that is there is ever denied."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.harness import Server, import_under_load


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("partitions", [None, 4], ids=["one file", "4 partitions"])
def test_an_import_hides_no_name(
    serve: Callable[..., Server], say: Callable[[str], None], partitions: int | None
) -> None:
    server = serve(partitions=partitions)
    import_under_load.check(server, server.wait_applied, say)
