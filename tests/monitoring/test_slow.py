"""Outputs that are slow or down lose their own figures, counted, and hold up nothing else."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.harness import Server, free_port, wait_until
from tests.harness.metrics_formats import parsed_statsd
from tests.harness.process import spawn
from tests.monitoring.asking import ROUND, ZONE, ask, served

HOST = "127.0.0.1"


class Receiver:
    """Takes statsd's datagrams and sums up the counters in them."""

    def __init__(self) -> None:
        self._socket = socket.socket(type=socket.SOCK_DGRAM)
        self._socket.bind((HOST, 0))
        self.port = self._socket.getsockname()[1]
        self.sums: Counter[str] = Counter()
        self.gauges: dict[str, float] = {}
        self._thread = threading.Thread(target=self._receive)
        self._thread.start()

    def _receive(self) -> None:
        while datagram := self._socket.recv(65536):
            for name, value, kind, _, _ in parsed_statsd([datagram]):
                if kind == "c":
                    self.sums[name] += value  # type: ignore[assignment] # a sum of floats
                elif kind == "g":
                    self.gauges[name] = value

    def close(self) -> None:
        """An empty datagram ends it."""
        with socket.socket(type=socket.SOCK_DGRAM) as sock:
            sock.sendto(b"", (HOST, self.port))
        self._thread.join(10)
        self._socket.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()
    yield found
    found.close()


@pytest.fixture
def black_holes() -> Iterator[tuple[int, int]]:
    """Ports of two TCP servers: one takes connections and says nothing, the other does not even take them."""
    with ExitStack() as stack:
        silent = stack.enter_context(socket.create_server((HOST, 0), backlog=128))
        full = stack.enter_context(socket.create_server((HOST, 0), backlog=0))
        # What is in the queue of connections keeps others from coming in.
        for _ in range(3):
            filling = stack.enter_context(socket.socket())
            filling.setblocking(False)
            filling.connect_ex(full.getsockname())
        yield silent.getsockname()[1], full.getsockname()[1]


def test_answers_and_other_outputs_go_on(
    serve: Callable[..., Server], receiver: Receiver, black_holes: tuple[int, int]
) -> None:
    """Two black holes and a UDP port where nobody listens, beside an output that gets every figure."""
    silent, full = black_holes
    outputs = {
        "warp10": f"warp10://{HOST}:{silent}", "influx": f"influx://{HOST}:{full}/write?db=dns",
        "influx+udp": f"influx+udp://{HOST}:{free_port()}",
    }
    server = served(
        serve, DNS_METRICS_OUTPUTS=" ".join(outputs.values()), DNS_METRICS_BUFFER_SIZE="2",
        DNS_STATSD_ADDRESS=f"{HOST}:{receiver.port}",
    )

    def lost(output: str) -> float:
        return server.metrics()[f'streamdns_metrics_lost_total{{output="{output}"}}']

    rounds = 0
    while not all(lost(each) > 100 for each in outputs):
        ask(server)
        rounds += 1
        assert rounds < 2000, "figures of outputs that are down are lost"
        # Whatever the others do, what was asked arrives here, flush after flush.
        wait_until(lambda: receiver.sums["streamdns.dns.queries.udp.A.NOERROR"] == 7 * rounds, "the sums")  # noqa: B023
    for number, transport, _, rdtype, rcode in ROUND:
        name = f"streamdns.dns.queries.{transport}.{rdtype}.{rcode}"
        wait_until(lambda: receiver.sums[name] == number * rounds, name)  # noqa: B023 - called at once
    shown = server.metrics()
    assert lost("statsd") == 0
    assert shown['streamdns_metrics_output_up{output="statsd"}'] == 1
    assert shown['streamdns_metrics_output_up{output="influx+udp"}'] == 0
    assert [shown[f'streamdns_metrics_sent_total{{output="{each}"}}'] for each in outputs] == [0, 0, 0]
    assert shown["streamdns_process_ready"] == 1
    # What it has lost is what others are told, too.
    wait_until(lambda: receiver.sums["streamdns.metrics.lost.warp10"] > 100, "the losses of one output in another")
    assert server.stop() == 0


def test_standard_output_that_nobody_reads(tmp_path: Path) -> None:
    """A pipe that is full: its output loses figures, queries are answered, and the stop waits for nobody."""
    server = Server(
        tmp_path, DNS_ZONES="example.org", DNS_METRICS_OUTPUTS="stdout", DNS_METRICS_FLUSH_INTERVAL="100",
        DNS_METRICS_BUFFER_SIZE="2",
    )
    for owner, rdtype, content in ZONE:
        server.publish(owner, rdtype, [content])
    server._choose_ports(again=False)
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as unread, os.fdopen(writer, "wb") as full, server.output.open("wb"):
        command = ["sh", "-c", 'exec "$0" -m streamdns run 2>"$1"', sys.executable, str(server.output)]
        server.process = spawn(command, env=server.environment, output=full)
        full.close()
        try:
            wait_until(server.is_ready, "it is ready")
            lost = 'streamdns_metrics_lost_total{output="stdout"}'
            rounds = 0
            while server.metrics()[lost] < 200:
                ask(server)
                rounds += 1
                assert rounds < 2000, "figures are lost"
            assert server.metrics()["streamdns_process_ready"] == 1
            assert server.stop() == 0
        finally:
            server.kill()
        lines = unread.read().splitlines()
    assert all(json.loads(line)["metric"] for line in lines[:-1])
    assert "Traceback" not in server.written()
