"""Fixtures of the unit tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest

from streamdns.events.batch import Partition
from streamdns.sources.file import FileSource
from tests.harness.filelog import NEVER_S, Opener


@pytest.fixture(autouse=True)
def _now() -> None:
    """The clock of the event loop stands still while nothing runs in it: time-outs would be over at once."""
    gevent.get_hub().loop.update_now()


@pytest.fixture
def opened() -> Iterator[Opener]:
    sources: list[FileSource] = []

    def opener(
        path: Path | str,
        positions: dict[Partition, int] | None = None,
        fingerprints: dict[Partition, str] | None = None,
        *,
        check_s: float = NEVER_S,
    ) -> FileSource:
        source = FileSource(str(path), check_s=check_s)
        sources.append(source)
        source.connect(positions or {}, fingerprints or {})
        return source

    yield opener
    for source in sources:
        source.close()
