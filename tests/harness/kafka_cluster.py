"""Starts a real Kafka cluster for tests: one controller and three brokers, each in a process that may be killed."""

from __future__ import annotations

import pathlib
from concurrent.futures import ThreadPoolExecutor
from typing import Self

from tests.harness.kafka import HOST, Broker, Place, new_cluster_id
from tests.harness.process import free_port

_CONTROLLER_ID = 100
_HEAP_MB = 320


class Cluster:
    """Brokers 1, 2 and 3 with PLAIN listeners; a context manager. kill() and start() keep ports, log and identity.

    `properties` are the brokers'; topics that are to outlive a broker want replicas.
    """

    def __init__(self, folder: pathlib.Path, version: str, *, brokers: int = 3, **properties: str) -> None:
        self.version, self.cluster_id = version, new_cluster_id()
        # The address of the controller must be known before anything of it is there.
        voters = f"{_CONTROLLER_ID}@{HOST}:{(port := free_port())}"
        common: dict[str, str] = {
            "offsets.topic.replication.factor": str(brokers), "default.replication.factor": str(brokers),
            "num.replica.fetchers": "2", "replica.lag.time.max.ms": "5000",
            # Leaders go back to where they belong only when a test says so.
            "auto.leader.rebalance.enable": "false",
        }
        controller = {"listeners": f"CONTROLLER://{HOST}:{port}"}

        def make(number: int) -> Broker:
            role = "controller" if number == _CONTROLLER_ID else "broker"
            place = Place(
                node_id=number, cluster_id=self.cluster_id, roles=role, voters=voters, heap_mb=_HEAP_MB,
                listeners=("CONTROLLER",) if role == "controller" else ("PLAIN",),
            )
            given = controller if role == "controller" else common | properties
            return Broker(folder / f"node{number}", version, place=place, **given)

        numbers = [_CONTROLLER_ID, *range(1, brokers + 1)]
        with ThreadPoolExecutor(2) as pool:
            made = dict(zip(numbers, pool.map(make, numbers), strict=True))
        self.controller = made.pop(_CONTROLLER_ID)
        self.controller.ports["CONTROLLER"] = port
        self.brokers = made

    def address(self, listener: str = "PLAIN") -> str:
        """The addresses of all brokers, as DNS_KAFKA_ADDRESS has them."""
        return ",".join(broker.address(listener) for broker in self.brokers.values())

    def kill(self, number: int) -> None:
        """kill -9 of one broker."""
        self.brokers[number].kill()

    def start(self, *numbers: int) -> None:
        """Start some of them, at once; returns when each knows of a broker."""
        for number in numbers:
            self.brokers[number].begin()
        for number in numbers:
            self.brokers[number].wait_ready()

    def __enter__(self) -> Self:
        try:
            self.controller.begin()
            self.start(*self.brokers)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        for broker in [*self.brokers.values(), self.controller]:
            broker.kill()
