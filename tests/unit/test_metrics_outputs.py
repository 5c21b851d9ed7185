"""The outputs: what each sends, as strict readers of its format take it, and what it does when nobody takes it."""

from __future__ import annotations

import json
import os
import re
import select
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import gevent
import pytest
from gevent import socket
from gevent.pywsgi import WSGIServer
from hypothesis import given
from hypothesis import strategies as st

from streamdns.metrics.catalogue import METRICS, Metric
from streamdns.metrics.flush import Count, Figure, Flush, Level, Summary
from streamdns.metrics.outputs import OUTPUTS, Target, Unwanted, make, parse
from streamdns.metrics.outputs.datagrams import MAX_OCTETS, Datagrams, packed
from streamdns.metrics.outputs.influx import lines as influx_lines
from streamdns.metrics.outputs.statsd import Statsd
from streamdns.metrics.outputs.stdout import Stdout
from streamdns.metrics.outputs.warp10 import lines as warp10_lines

COUNTER = Metric("dns.truncated", "counter", "A counter.", ("transport",))
GAUGE = Metric("view.zones", "gauge", "A gauge.")
TIMES = Metric("dns.latency_seconds", "histogram", "Times.", ("transport",), "seconds", (0.001, 0.01, 0.1))
FIGURES: tuple[Figure, ...] = (
    Count(COUNTER, ("udp",), 3, 10),
    Count(COUNTER, ("tcp",), 0, 7),
    Level(GAUGE, (), 1.5e-7),
    Summary(TIMES, ("udp",), (10, 30, 0, 0), 0.2),
    Summary(TIMES, ("tcp",), (0, 0, 0, 0), 0.0),
)
FLUSH = Flush(1_700_000_000.123456, 10.0, FIGURES)
STATSD = re.compile(rb"([A-Za-z0-9_.,=-]+):(-?[0-9]+(?:\.[0-9]+)?)\|(c|g|ms)(?:\|@([0-9.]+))?(?:\|#(.+))?")

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
numbers = st.one_of(st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False))
figures = st.lists(
    st.one_of(
        st.builds(Count, st.just(COUNTER), st.tuples(texts), numbers, numbers),
        st.builds(Level, st.just(GAUGE), st.just(()), numbers),
        st.builds(Summary, st.just(TIMES), st.tuples(texts), st.tuples(*[st.integers(0, 10**9)] * 4), numbers),
    ),
    max_size=60,
)


def statsd(tags: str = "plain", *, prefix: str = "streamdns", instance: str = "ns1") -> Statsd:
    return Statsd(Datagrams("127.0.0.1", 9), prefix=prefix, tags=tags, instance=instance)


def parsed_statsd(datagrams: list[bytes]) -> list[tuple[str, float, str, float, str]]:
    """Name, value, kind, rate and tags of every line; each has to be of the format."""
    found = []
    for datagram in datagrams:
        assert 0 < len(datagram) <= MAX_OCTETS
        for line in datagram.split(b"\n"):
            match = STATSD.fullmatch(line)
            assert match, line
            name, value, kind, rate, tags = match.groups()
            found.append((name.decode(), float(value), kind.decode(), float(rate or 1), (tags or b"").decode()))
    return found


def test_statsd_gets_deltas_gauges_and_timers() -> None:
    found = parsed_statsd(statsd().datagrams(FLUSH))
    assert found[0] == ("streamdns.dns.truncated.udp", 3, "c", 1, "")
    assert found[1] == ("streamdns.view.zones", 1.5e-7, "g", 1, "")
    timings = found[2:]
    assert {(name, kind) for name, _, kind, _, _ in timings} == {("streamdns.dns.latency_seconds.udp", "ms")}
    assert sum(1 / rate for _, _, _, rate, _ in timings) == pytest.approx(40)
    values = [value for _, value, _, _, _ in timings]
    assert values == sorted(values)
    assert sum(value <= 1 for value in values) == len(values) / 4
    assert max(values) <= 10


def test_few_timings_are_sent_each_on_its_own() -> None:
    flush = Flush(0, 1, (Summary(TIMES, ("udp",), (1, 0, 1, 0), 0.05),))
    found = parsed_statsd(statsd().datagrams(flush))
    assert [(rate, value <= 1) for _, value, _, rate, _ in found] == [(1, True), (1, False)]


def test_a_negative_gauge_is_set_and_not_subtracted() -> None:
    found = parsed_statsd(statsd().datagrams(Flush(0, 1, (Level(GAUGE, (), -5),))))
    assert [(value, kind) for _, value, kind, _, _ in found] == [(0, "g"), (-5, "g")]


def test_tags_of_statsd() -> None:
    dog = parsed_statsd(statsd("dogstatsd").datagrams(FLUSH))
    assert dog[0] == ("streamdns.dns.truncated", 3, "c", 1, "instance:ns1,transport:udp")
    influx = parsed_statsd(statsd("influx", instance="ns 1").datagrams(FLUSH))
    assert influx[0][0] == "streamdns.dns.truncated,instance=ns_1,transport=udp"
    assert parsed_statsd(statsd(prefix="").datagrams(FLUSH))[0][0] == "dns.truncated.udp"
    assert parsed_statsd(statsd(prefix="a.b.").datagrams(FLUSH))[0][0] == "a.b.dns.truncated.udp"


@given(figures, st.sampled_from(["plain", "dogstatsd", "influx"]), texts)
def test_statsd_of_anything_is_of_its_format(figures: list[Figure], tags: str, instance: str) -> None:
    found = parsed_statsd(statsd(tags, instance=instance).datagrams(Flush(0, 1, tuple(figures))))
    counters = sum(isinstance(figure, Count) and figure.delta != 0 for figure in figures)
    assert sum(kind == "c" for _, _, kind, _, _ in found) == counters


INFLUX = re.compile(
    r"(?P<name>[a-z0-9_]+)(?P<tags>(?:,[a-z]+=(?:\\[,= ]|[^,= \\])+)*) "
    r"(?P<fields>[a-z0-9]+=[-+0-9.e]+i?(?:,[a-z0-9]+=[-+0-9.e]+i?)*) (?P<time>[0-9]+)"
)


def parsed_influx(lines: list[bytes]) -> list[tuple[str, dict[str, str], dict[str, float], int]]:
    found = []
    for line in lines:
        match = INFLUX.fullmatch(line.decode())
        assert match, line
        tags = re.findall(r",([a-z]+)=((?:\\[,= ]|[^,= \\])+)", match["tags"])
        fields = [field.split("=") for field in match["fields"].split(",")]
        found.append((
            match["name"], {key: re.sub(r"\\(.)", r"\1", value) for key, value in tags},
            {key: float(value.removesuffix("i")) for key, value in fields}, int(match["time"]),
        ))
    return found


def test_influx_lines() -> None:
    found = parsed_influx(influx_lines(FLUSH, "ns, 1"))
    at = 1_700_000_000_123_000_000
    tags = {"instance": "ns, 1", "transport": "udp"}
    assert found[0] == ("streamdns_dns_truncated", tags, {"delta": 3, "total": 10}, at)
    assert found[2] == ("streamdns_view_zones", {"instance": "ns, 1"}, {"value": 1.5e-7}, at)
    name, _, fields, _ = found[3]
    assert (name, fields.pop("count"), fields.pop("sum")) == ("streamdns_dns_latency_seconds", 40, 0.2)
    assert fields.keys() == {"p50", "p90", "p99"}
    assert found[4][2] == {"count": 0, "sum": 0}


@given(figures, texts)
def test_influx_of_anything_is_of_its_format(figures: list[Figure], instance: str) -> None:
    found = parsed_influx(influx_lines(Flush(1.0, 1, tuple(figures)), instance))
    assert len(found) == len(figures)
    for figure, (_, tags, fields, _) in zip(figures, found, strict=True):
        assert len(tags) == 1 + len(figure.labels)
        if isinstance(figure, Level):
            assert fields["value"] == float(figure.value)


#: The GTS input format as Warp 10 documents it, without location and elevation: TIMESTAMP// CLASS{LABELS} VALUE.
GTS = re.compile(
    r"(?P<time>-?[0-9]+)// (?P<name>(?:[A-Za-z0-9_.~-]|%[0-9A-F]{2})+)"
    r"\{(?P<labels>(?:[a-z]+=(?:[A-Za-z0-9_.~-]|%[0-9A-F]{2})*(?:,[a-z]+=(?:[A-Za-z0-9_.~-]|%[0-9A-F]{2})*)*)?)\} "
    r"(?P<value>-?[0-9]+|-?[0-9]+(?:\.[0-9]+)?(?:e[-+]?[0-9]+)?)"
)


def parsed_gts(lines: list[str]) -> list[tuple[int, str, dict[str, str], float]]:
    """Strict: one space between the three parts, percent-encoded UTF-8 labels, a LONG or a DOUBLE."""
    found = []
    for line in lines:
        match = GTS.fullmatch(line)
        assert match, line
        pairs = [pair.split("=") for pair in match["labels"].split(",")]
        labels = {key: unquote(value, errors="strict") for key, value in pairs}
        assert len(labels) == len(pairs)
        value = match["value"]
        if not re.search(r"[.e]", value):
            assert -(2**63) <= int(value) < 2**63
        found.append((int(match["time"]), unquote(match["name"], errors="strict"), labels, float(value)))
    return found


def test_warp10_lines() -> None:
    found = parsed_gts(warp10_lines(FLUSH, "ns{1},é"))
    at, tags = 1_700_000_000_123_456, {"instance": "ns{1},é", "transport": "udp"}
    assert found[0] == (at, "streamdns.dns.truncated", tags, 10)
    assert [name for _, name, labels, _ in found if labels == tags][1:] == [
        f"streamdns.dns.latency_seconds.{part}" for part in ("count", "sum", "p50", "p90", "p99")
    ]


@given(figures, texts)
def test_warp10_of_anything_is_of_its_format(figures: list[Figure], instance: str) -> None:
    for _, _, labels, _ in parsed_gts(warp10_lines(Flush(1.0, 1, tuple(figures)), instance)):
        assert labels["instance"] == instance


@given(st.lists(st.binary(min_size=1, max_size=2 * MAX_OCTETS).map(lambda line: line.replace(b"\n", b" "))))
def test_packing_keeps_every_line_and_its_place(lines: list[bytes]) -> None:
    found = packed(lines)
    assert b"\n".join(found) == b"\n".join(lines)
    assert all(len(each) <= MAX_OCTETS or b"\n" not in each for each in found)


def test_lines_on_standard_output() -> None:
    reader, writer = os.pipe()
    try:
        Stdout(writer).send(FLUSH)
        documents = [json.loads(line) for line in os.read(reader, 65536).splitlines()]
    finally:
        os.close(reader)
        os.close(writer)
    assert [document["metric"] for document in documents] == ["dns.truncated", "view.zones", "dns.latency_seconds"]
    assert documents[0] == {"time": 1700000000.123, "metric": "dns.truncated", "labels": {"transport": "udp"},
                            "delta": 3, "total": 10}
    assert documents[2]["count"] == 40


def test_who_does_not_read_standard_output_keeps_nobody_waiting() -> None:
    reader, writer = os.pipe()
    try:
        many = Flush(1.0, 1.0, FIGURES * 1000)
        turns: list[int] = []

        def turn() -> None:
            turns.append(1)
            gevent.sleep(0.01)

        writing = gevent.spawn(Stdout(writer).send, many)
        deadline_s = time.monotonic() + 20
        while not (len(turns) > 20 and not writing.ready()) and time.monotonic() < deadline_s:
            turn()
        assert not writing.ready()
        data = b""
        while not writing.ready() or select.select([reader], [], [], 0)[0]:
            if select.select([reader], [], [], 0)[0]:
                data += os.read(reader, 65536)
            gevent.sleep(0.001)
        assert writing.successful()
        assert len(data.splitlines()) == 3000
        assert all(json.loads(line) for line in data.splitlines())
    finally:
        os.close(reader)
        os.close(writer)


@contextmanager
def web(answer: Callable[[dict[str, Any], bytes], str], **options: Any) -> Iterator[WSGIServer]:
    """A web server in this process; `answer` gives the status of its answer."""

    def application(environ: dict[str, Any], respond: Callable[..., Any]) -> list[bytes]:
        status = answer(environ, environ["wsgi.input"].read())
        if status.startswith("204"):
            respond(status, [])
            return []
        respond(status, [("Content-Type", "text/plain")])
        return [b"so it is"]

    server = WSGIServer(("127.0.0.1", 0), application, log=None, error_log=None, **options)
    server.start()
    try:
        yield server
    finally:
        server.stop(timeout=1)


def test_a_flush_over_http() -> None:
    asked: list[tuple[str, str, str, bytes]] = []

    def answer(environ: dict[str, Any], body: bytes) -> str:
        token = environ.get("HTTP_AUTHORIZATION", "") + environ.get("HTTP_X_WARP10_TOKEN", "")
        asked.append((environ["REQUEST_METHOD"], f"{environ['PATH_INFO']}?{environ['QUERY_STRING']}", token, body))
        return "204 No Content"

    with web(answer) as server:
        influx = f"influx://127.0.0.1:{server.server_port}/write?db=dns"
        make(Target(parse(influx), "ns1")).send(FLUSH)
        make(Target(parse(influx), "ns1", token="Basic abc")).send(FLUSH)
        make(Target(parse(f"warp10://127.0.0.1:{server.server_port}"), "ns1", token="abc")).send(FLUSH)
    assert [each[:3] for each in asked] == [
        ("POST", "/write?db=dns", ""), ("POST", "/write?db=dns", "Basic abc"), ("POST", "/api/v0/update?", "abc"),
    ]
    assert parsed_influx(asked[0][3].splitlines()) == parsed_influx(influx_lines(FLUSH, "ns1"))
    assert parsed_gts(asked[2][3].decode().splitlines()) == parsed_gts(warp10_lines(FLUSH, "ns1"))


@pytest.mark.parametrize(("status", "error"), [
    ("400 Bad Request", Unwanted), ("413 Too Large", Unwanted), ("404 Not Found", OSError),
    ("401 Unauthorized", OSError), ("503 Unavailable", OSError), ("301 Moved", OSError),
])
def test_what_is_not_taken_over_http(status: str, error: type[Exception]) -> None:
    with web(lambda environ, body: status) as server:
        output = make(Target(parse(f"influx://127.0.0.1:{server.server_port}/write?db=dns"), "ns1"))
        with pytest.raises(error, match=status[:3]):
            output.send(FLUSH)


def test_over_tls_only_to_whom_the_certificate_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    try:
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=tests",
             "-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)],
            check=True, capture_output=True, timeout=60,
        )
    except FileNotFoundError:
        pytest.skip("not installed: openssl")
    asked: list[bytes] = []

    def answer(environ: dict[str, Any], body: bytes) -> str:
        asked.append(body)
        return "200 OK"

    with web(answer, keyfile=str(key), certfile=str(certificate)) as server:
        target = Target(parse(f"warp10s://localhost:{server.server_port}"), "ns1")
        with pytest.raises(ssl.SSLError):
            make(target).send(FLUSH)
        assert not asked
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        make(target).send(FLUSH)
        other = target._replace(url=parse(f"warp10s://127.0.0.1:{server.server_port}"))
        with pytest.raises(ssl.SSLError):
            make(other).send(FLUSH)
    assert len(asked) == 1


@pytest.mark.parametrize("url", ["influx://127.0.0.1:{port}/write", "warp10://127.0.0.1:{port}"])
def test_what_does_not_answer_as_http_is_down(url: str) -> None:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(1)

    def babble() -> None:
        while True:
            connection, _ = listener.accept()
            connection.recv(1 << 20)
            connection.sendall(b"220 mail.example ESMTP\r\n")
            connection.close()

    babbling = gevent.spawn(babble)
    try:
        output = make(Target(parse(url.format(port=listener.getsockname()[1])), "ns1"))
        with pytest.raises(OSError, match=r"HTTP|reset"):
            output.send(FLUSH)
    finally:
        babbling.kill()
        listener.close()


@pytest.mark.parametrize("scheme", ["statsd", "influx+udp"])
def test_datagrams_to_where_nobody_listens_and_then_somebody_does(scheme: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as first:
        first.bind(("127.0.0.1", 0))
        port = first.getsockname()[1]
        output = make(Target(parse(f"{scheme}://127.0.0.1:{port}"), "ns1"))
        output.send(FLUSH)
        assert first.recv(65536)
    with pytest.raises(OSError, match=r"nobody listens|refused"):
        output.send(FLUSH)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as second:
        second.bind(("127.0.0.1", port))
        second.settimeout(20)
        output.send(FLUSH)
        got = second.recv(65536)
    assert (parsed_statsd([got]) if scheme == "statsd" else parsed_influx(got.splitlines()))
    output.close()


class Names:
    """Stands for the resolver: one name, whose addresses change."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *addresses: Any) -> None:
        self.addresses, self.asked = list(addresses), 0
        monkeypatch.setattr(socket, "getaddrinfo", self._resolve)

    def _resolve(self, host: str, port: int, type: int) -> list[Any]:  # noqa: A002 - the name of the argument
        self.asked += 1
        if not self.addresses:
            raise socket.gaierror(-3, "Temporary failure in name resolution")
        return [(socket.AF_INET, type, 0, "", each) for each in self.addresses]


@contextmanager
def listeners(number: int) -> Iterator[list[Any]]:
    made = [socket.socket(type=socket.SOCK_DGRAM) for _ in range(number)]
    try:
        for each in made:
            each.bind(("127.0.0.1", 0))
            each.settimeout(20)
        yield made
    finally:
        for each in made:
            each.close()


def test_a_name_is_resolved_again_after_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 0.0
    with listeners(2) as (old, new):
        names = Names(monkeypatch, old.getsockname())
        datagrams = Datagrams("statsd.example", 8125, elapsed_s=lambda: now_s)
        for _ in range(3):
            datagrams.send([b"one"])
            assert old.recv(100) == b"one"
        assert names.asked == 1
        names.addresses = []
        now_s = 61.0
        datagrams.send([b"the name cannot be resolved now"])
        assert old.recv(100)
        names.addresses = [new.getsockname()]
        now_s = 122.0
        datagrams.send([b"two"])
        assert new.recv(100) == b"two"
        assert names.asked == 3
        datagrams.close()


def test_a_name_is_resolved_again_as_soon_as_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    with listeners(2) as (old, new):
        names = Names(monkeypatch, old.getsockname())
        datagrams = Datagrams("statsd.example", 8125)
        datagrams.send([b"one"])
        old.close()
        names.addresses = [new.getsockname()]
        with pytest.raises(OSError, match=r"nobody listens|refused"):
            datagrams.send([b"two"])
        datagrams.send([b"two"])
        assert new.recv(100) == b"two"
        datagrams.close()


def test_of_several_addresses_the_one_is_used_where_somebody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    with listeners(2) as (gone, there):
        Names(monkeypatch, gone.getsockname(), there.getsockname())
        gone.close()
        datagrams = Datagrams("statsd.example", 8125)
        with pytest.raises(OSError, match=r"nobody listens|refused"):
            datagrams.send([b"one"])
        for _ in range(3):
            datagrams.send([b"one"])
            assert there.recv(100) == b"one"
        datagrams.close()


@pytest.mark.parametrize("name", sorted(OUTPUTS))
def test_every_output_of_the_table_can_be_made(name: str) -> None:
    made = make(Target(parse(name if name == "stdout" else f"{name}://localhost:1/x"), "ns1"))
    made.close()
    made.close()


def test_the_catalogue_fits_every_format() -> None:
    """No metric has a name or labels that one of the outputs cannot say."""
    every: list[Figure] = []
    for metric in METRICS:
        labels = tuple("x" for _ in metric.labels)
        if metric.kind == "counter":
            every.append(Count(metric, labels, 1, 1))
        elif metric.kind == "gauge":
            every.append(Level(metric, labels, 1))
        else:
            every.append(Summary(metric, labels, (1,) * (len(metric.buckets) + 1), 1.0))
    flush = Flush(1.0, 1.0, tuple(every))
    assert len({name for name, *_ in parsed_statsd(statsd().datagrams(flush))}) == len(METRICS)
    assert len(parsed_influx(influx_lines(flush, "x"))) == len(METRICS)
    assert len(parsed_gts(warp10_lines(flush, "x"))) >= len(METRICS)
