"""How many connections the limit of open files leaves room for."""

from __future__ import annotations

import resource

import pytest

from streamdns.runtime.open_files import connections_of


@pytest.mark.parametrize(
    ("wanted", "files", "connections"),
    [(1024, 1 << 20, 1024), (1024, 1024, 824), (100, 1024, 100), (1024, 100, 8), (1024, resource.RLIM_INFINITY, 1024)],
)
def test_everything_else_keeps_descriptors(wanted: int, files: int, connections: int) -> None:
    assert connections_of(wanted, files) == connections
