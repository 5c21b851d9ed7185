"""InfluxDB takes the lines, over HTTP and UDP, and gives the values back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.harness import Server, wait_until
from tests.harness.monitoring import Influxd
from tests.monitoring.asking import ASKED, ROUND, ask, served


@pytest.mark.parametrize("scheme", ["influx", "influx+udp"])
def test_influxdb_gives_back_what_was_caused(serve: Callable[..., Server], influxd: Influxd, scheme: str) -> None:
    """Deltas add up to it, totals end with it, and the histogram's counts are it."""
    settings = {"DNS_METRICS_OUTPUTS": f"influx://127.0.0.1:{influxd.port}/write?db={influxd.database}"}
    if scheme == "influx+udp":
        # Datagrams that nobody reads in time are lost: more seldom, so that many flushes find room in the socket.
        settings = {"DNS_METRICS_OUTPUTS": f"influx+udp://127.0.0.1:{influxd.udp_port}",
                    "DNS_METRICS_FLUSH_INTERVAL": "700"}
    server = served(serve, **settings, DNS_INSTANCE_ID="ns 7, rack=1")
    for rounds in range(1, 4):
        ask(server)
        wanted = {(transport, *rest): float(rounds * number) for number, transport, _, *rest in ROUND}

        def seen(field: str) -> dict[tuple[str, ...], float]:
            rows = influxd.query(
                f'SELECT {field} AS value FROM "streamdns_dns_queries" GROUP BY transport, qtype, rcode, instance'
            )
            assert {row["instance"] for row in rows} <= {"ns 7, rack=1"}
            return {(row["transport"], row["qtype"], row["rcode"]): row["value"] for row in rows}

        wait_until(lambda: seen("sum(delta)") == wanted, f"the deltas of {rounds} rounds")  # noqa: B023 - at once
        assert seen("last(total)") == wanted
    wanted_timings = {each: 3 * number for each, number in ASKED.items()}

    def timings() -> list[dict[str, Any]]:
        return influxd.query('SELECT sum("count") AS value, max(p99) AS p99 FROM "streamdns_dns_latency_seconds" '
                             "GROUP BY transport")

    wait_until(lambda: {row["transport"]: row["value"] for row in timings()} == wanted_timings, "the timings")
    assert all(0 < row["p99"] < 1 for row in timings())
    assert influxd.query('SELECT last(value) AS value FROM "streamdns_view_records"')[0]["value"] == 3
    assert server.metrics()[f'streamdns_metrics_lost_total{{output="{scheme}"}}'] == 0


def test_a_database_that_is_not_there_is_told(serve: Callable[..., Server], influxd: Influxd) -> None:
    """InfluxDB answers 404: its words are in the log, figures are kept for a while, and nothing else is disturbed."""
    server = served(serve, DNS_METRICS_OUTPUTS=f"influx://127.0.0.1:{influxd.port}/write?db=nowhere")
    up = 'streamdns_metrics_output_up{output="influx"}'
    wait_until(lambda: server.metrics().get(up) == 0, "the output is down")
    assert "database not found" in server.written()
    ask(server)
