"""Makes all metrics at once, and parses the outputs strictly: what a real daemon would forgive is an error here."""

from __future__ import annotations

import re
from urllib.parse import unquote

from streamdns.metrics.catalogue import METRICS
from streamdns.metrics.outputs.datagrams import MAX_OCTETS
from streamdns.metrics.registry import Registry

STATSD = re.compile(rb"([A-Za-z0-9_.,=-]+):(-?[0-9]+(?:\.[0-9]+)?)\|(c|g|ms)(?:\|@([0-9.]+))?(?:\|#(.+))?")


def every_metric() -> Registry:
    """A registry that has a value of every metric of the catalogue."""
    registry = Registry()
    for metric in METRICS:
        labels = dict.fromkeys(metric.labels, "x")
        if metric.kind == "counter":
            registry.counter(metric.name, **labels).add()
        elif metric.kind == "gauge":
            registry.gauge(metric.name, **labels).set(1)
        else:
            registry.histogram(metric.name, **labels).observe(1)
    return registry


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


_WORD = r"(?:[A-Za-z0-9_.~-]|%[0-9A-F]{2})+"
#: The GTS input format of Warp 10 (TIME/LATITUDE:LONGITUDE/ELEVATION CLASS{LABELS} VALUE), without place and height.
GTS = re.compile(
    rf"(?P<time>[0-9]+)// (?P<name>{_WORD})\{{(?P<labels>[a-z]+={_WORD}(?:,[a-z]+={_WORD})*)\}} "
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


SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (\S+)')


def samples(text: str) -> dict[str, float]:
    """The samples of a page by name and labels as they stand; every line has to be of the format."""
    found = {}
    for line in text.splitlines():
        if line.startswith("#"):
            assert re.fullmatch(r"# (HELP|TYPE) [a-z_]+ .+", line), line
            continue
        match = SAMPLE.fullmatch(line)
        assert match, line
        subject = match[1] + (f"{{{match[2]}}}" if match[2] else "")
        assert subject not in found
        found[subject] = float(match[3])
    return found
