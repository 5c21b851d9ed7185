"""One real broker for all tests of Pulsar."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.harness.pulsar import Broker, missing


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A running broker; a test that kills it starts it again."""
    reason = missing()
    if reason:
        pytest.skip(reason)
    with Broker(tmp_path_factory.mktemp("pulsar")) as running:
        yield running
