"""One real broker at a time, of each version in turn."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.harness.kafka import VERSIONS, Broker, missing


@pytest.fixture(scope="session", params=VERSIONS)
def broker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A running broker; a test that kills it starts it again."""
    reason = missing()
    if reason:
        pytest.skip(reason)
    with Broker(tmp_path_factory.mktemp("kafka"), request.param) as running:
        yield running


@pytest.fixture
def old_broker(broker: Broker) -> Broker:
    """One that still serves what pykafka speaks."""
    if not broker.version.startswith("3."):
        pytest.skip(f"pykafka does not speak with Kafka {broker.version}")
    return broker


@pytest.fixture(params=["pykafka", "confluent"])
def client(request: pytest.FixtureRequest, broker: Broker) -> str:
    """Each client that this broker can serve."""
    if request.param == "pykafka" and not broker.version.startswith("3."):
        pytest.skip(f"pykafka does not speak with Kafka {broker.version}")
    return str(request.param)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Brokers run at the end: the other tests have the machine for themselves, in whatever order."""
    items.sort(key=lambda item: any(item.get_closest_marker(name) for name in ("kafka", "pulsar")))
