"""Fixtures: what takes metrics, as a house has it, and a streamdns that sends to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.harness.monitoring import Carbon, Influxd, Prometheus, StatsdDaemon, missing_statsd
from tests.harness.peers import require_tools


@pytest.fixture
def carbon() -> Iterator[Carbon]:
    with Carbon() as found:
        yield found


@pytest.fixture
def statsd(tmp_path: Path, carbon: Carbon) -> Iterator[StatsdDaemon]:
    """The statsd daemon of npm, at work; it sends its sums to `carbon`."""
    reason = missing_statsd()
    if reason:
        pytest.skip(reason)
    with StatsdDaemon(tmp_path / "statsd", carbon) as daemon:
        yield daemon


@pytest.fixture
def influxd(tmp_path: Path) -> Iterator[Influxd]:
    require_tools("influxd")
    with Influxd(tmp_path / "influxd") as daemon:
        yield daemon


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[Callable[..., Prometheus]]:
    """A function that starts Prometheus for targets: prometheus("127.0.0.1:9153", rules=path)."""
    require_tools("prometheus")
    with ExitStack() as stack:

        def make(*targets: str, rules: Path | None = None) -> Prometheus:
            return stack.enter_context(Prometheus(tmp_path / "prometheus", *targets, rules=rules))

        yield make
