"""The statsd output and the daemon that most houses have: its sums are what was caused, through restarts."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.harness import Server, wait_until
from tests.harness.monitoring import Carbon, StatsdDaemon
from tests.monitoring.asking import ASKED, ROUND, ask, served


def name_of(transport: str, rdtype: str, rcode: str, tags: str) -> str:
    if tags == "plain":
        return f"ns7.dns.queries.{transport}.{rdtype}.{rcode}"
    return f"ns7.dns.queries;instance=ns-7;transport={transport};qtype={rdtype};rcode={rcode}"


class Sums:
    """What the daemon has summed up of the queries, beside what was caused."""

    def __init__(self, carbon: Carbon, tags: str) -> None:
        self._carbon, self._tags, self.rounds = carbon, tags, 0

    def _sum(self, name: str, *, what: str = "count") -> float:
        # Graphite has tags at the end of all of the name.
        name, _, tags = name.partition(";")
        return self._carbon.sum(f"stats.counters.{name}.{what}" + (f";{tags}" if tags else ""))

    @property
    def seen(self) -> list[float]:
        return [float(self._sum(name_of(transport, *rest, self._tags))) for _, transport, _, *rest in ROUND]

    @property
    def caused(self) -> list[float]:
        return [float(number * self.rounds) for number, *_ in ROUND]

    def arrive(self) -> None:
        """All that was caused is seen, and nothing beyond it comes with the flushes that follow."""
        wait_until(lambda: all(map(float.__ge__, self.seen, self.caused)), f"the daemon has summed up {self.caused}")
        flushes = self._carbon.flushes()
        wait_until(lambda: self._carbon.flushes() >= flushes + 3, "it flushes again")
        assert self.seen == self.caused


@pytest.mark.parametrize("tags", ["plain", "dogstatsd"])
def test_the_daemon_shows_the_sums_that_were_caused(
    serve: Callable[..., Server], statsd: StatsdDaemon, carbon: Carbon, tags: str
) -> None:
    """Over several flushes, and through a restart of the daemon: nothing twice, nothing lost."""
    server = served(
        serve, DNS_STATSD_ADDRESS=f"127.0.0.1:{statsd.port}", DNS_STATSD_PREFIX="ns7", DNS_STATSD_TAGS=tags,
        DNS_INSTANCE_ID="ns-7",
    )
    sums = Sums(carbon, tags)
    for _ in range(3):
        ask(server)
        sums.rounds += 1
        sums.arrive()
    statsd.kill()
    ask(server)
    sums.rounds += 1
    wait_until(lambda: server.metrics()['streamdns_metrics_output_up{output="statsd"}'] == 0, "the output is down")
    statsd.start()
    sums.arrive()
    ask(server)
    sums.rounds += 1
    sums.arrive()
    assert "bad_lines_seen: 0" in statsd.ask("stats")
    shown = server.metrics()
    assert shown['streamdns_metrics_lost_total{output="statsd"}'] == 0
    assert shown['streamdns_metrics_output_up{output="statsd"}'] == 1
    assert server.written().count("metrics.output_failed") == server.written().count("metrics.output_recovered") == 1


def test_gauges_and_timers(serve: Callable[..., Server], statsd: StatsdDaemon, carbon: Carbon) -> None:
    """The daemon counts as many timings as there were, and takes gauges as they stand."""
    server = served(serve, DNS_STATSD_ADDRESS=f"127.0.0.1:{statsd.port}")
    for _ in range(2):
        ask(server)
    for transport, number in ((transport, 2 * number) for transport, number in ASKED.items()):
        name = f"stats.timers.streamdns.dns.latency_seconds.{transport}"
        wait_until(lambda: carbon.sum(f"{name}.count") > number - 1e-3, f"{transport} timings")  # noqa: B023 - at once
        assert carbon.sum(f"{name}.count") == pytest.approx(number)
        assert carbon.sum(f"{name}.upper") > 0
    gauges = {"view.zones": 1, "view.nodes": 2, "view.records": 3, "metrics.output_up.statsd": 1}
    for name, value in gauges.items():
        wait_until(lambda: carbon.last(f"stats.gauges.streamdns.{name}") == value, f"{name} is {value}")  # noqa: B023


def test_a_last_flush_comes_at_the_stop(serve: Callable[..., Server], statsd: StatsdDaemon, carbon: Carbon) -> None:
    """What was counted since the flush before is not lost with the process."""
    server = served(serve, DNS_STATSD_ADDRESS=f"localhost:{statsd.port}", DNS_METRICS_FLUSH_INTERVAL="3600000")
    ask(server)
    assert server.stop() == 0
    name = "stats.counters.streamdns.dns.queries.udp.A.NOERROR.count"
    wait_until(lambda: carbon.sum(name) == ROUND[0][0], "the last flush")
