"""Fixtures of the integration tests."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Iterator

import pytest

from tests.harness import Server
from tests.harness.disks import Disk
from tests.integration.clients import ZONE


@pytest.fixture
def start(serve: Callable[..., Server]) -> Callable[..., Server]:
    """A function that starts a server with the zone above."""

    def make(*, run: bool = True, **env: str) -> Server:
        server = serve(start=False, **env)
        server.append(ZONE)
        return server.start() if run else server

    return make


@pytest.fixture
def disk(tmp_path: pathlib.Path) -> Iterator[Disk]:
    """A file system of 3 MiB in memory."""
    made = Disk(tmp_path / "disk")
    made.mount_small("3m")
    yield made
    made.unmount()


@pytest.fixture
def small_disk(disk: Disk) -> pathlib.Path:
    """Its folder."""
    return disk.path


@pytest.fixture
def failing_disk(tmp_path: pathlib.Path) -> Iterator[Disk]:
    """A file system in a file, which can fail."""
    made = Disk(tmp_path / "disk")
    made.make()
    made.mount()
    yield made
    made.unmount()
