"""Settings of the metrics: their rows in the table, their parsers, and the checks of how they fit together."""

from __future__ import annotations

import re
from typing import Any, Final

from streamdns.addresses import OUTPUTS, Address, masked_output, parse_output, unused_part
from streamdns.settings import parsers, secret_file
from streamdns.settings.row import Setting, integer_row

_BETWEEN_OUTPUTS: Final = re.compile(rf"\s+|,+(?=\s|$|(?:{'|'.join(map(re.escape, OUTPUTS))})(?:://|[\s,]|$))")
_PREFIX: Final = re.compile(r"[A-Za-z0-9._-]{1,200}")


def parse_metrics_address(text: str) -> Address | None:
    """Parse one IP address and port; "off" gives None."""
    return None if text.lower() == "off" else parsers.parse_address(text)


def parse_outputs(text: str) -> tuple[str, ...]:
    """Parse URLs of outputs, separated by white space or comma; a comma within a URL is part of it."""
    found = tuple(dict.fromkeys(word for word in _BETWEEN_OUTPUTS.split(text) if word))
    for url in found:
        parse_output(url)
    return found


def masked_outputs(text: str) -> str:
    """Return the URLs of outputs without what may be a secret in them."""
    return " ".join(masked_output(word) for word in _BETWEEN_OUTPUTS.split(text) if word)


def parse_prefix(text: str) -> str:
    """What every statsd takes as the beginning of a name: a colon or a bar would end it."""
    if not _PREFIX.fullmatch(text):
        raise ValueError("has other characters than letters, digits, dot, hyphen and underscore")
    return text


def parse_statsd_address(text: str) -> str:
    """Check one host and port, without a port 8125."""
    try:
        if "/" in text or len(text.split()) != 1:
            raise ValueError
        parse_output(f"statsd://{text}")
    except ValueError:
        raise ValueError("is not a host and a port") from None
    return text


def parse_tokens(text: str) -> tuple[tuple[str, str], ...]:
    """Parse `warp10=TOKEN` and `influx=TOKEN`, separated by a newline or a comma; a token may hold spaces."""
    found: dict[str, str] = {}
    for piece in text.replace(",", "\n").splitlines():
        if not piece.strip():
            continue
        name, equals, token = piece.strip().partition("=")
        if not equals or not token.strip() or name not in OUTPUTS:
            raise ValueError("has a part that is not of the form OUTPUT=TOKEN")
        found[name] = parsers.parse_text(token.strip())
    return tuple(found.items())


METRICS: Final[tuple[Setting, ...]] = (
    Setting(
        name="DNS_METRICS_ADDRESS", attribute="metrics_address", parse=parse_metrics_address, default="off",
        description="The address at which /metrics is served for Prometheus, apart from the admin API and without "
                    "log-in.",
        allowed="an IP address and a port (192.0.2.1:9153, [2001:db8::1]:9153), or off",
    ),
    Setting(
        name="DNS_METRICS_OUTPUTS", attribute="metrics_outputs", parse=parse_outputs, default="", unset=(),
        shown=masked_outputs,
        unset_means="none",
        description="The URLs to send metrics to; docs/metrics-outputs.md describes what each output sends.",
        allowed="stdout, statsd://HOST:8125, influx://HOST:8086/write?db=DB, influx+udp://HOST:8089 or "
                "warp10://HOST:8080/api/v0/update (with TLS: influxs, warp10s), separated by space or comma",
    ),
    Setting(
        name="DNS_METRICS_TOKENS", attribute="metrics_tokens", parse=parse_tokens, default="", unset=(), secret=True,
        unset_means="the content of DNS_METRICS_TOKENS_FILE",
        description="The tokens with which outputs log in to their servers.",
        allowed="OUTPUT=TOKEN (warp10=..., influx=...), separated by comma or newline",
    ),
    Setting(
        name="DNS_METRICS_TOKENS_FILE", attribute="metrics_tokens_file", parse=parsers.parse_text, default="", unset="",
        unset_means="none", description="A file that holds the tokens, one OUTPUT=TOKEN a line.",
        allowed="a path of a file, and DNS_METRICS_TOKENS unset",
    ),
    integer_row("DNS_METRICS_FLUSH_INTERVAL", "metrics_flush_interval_ms", (100, 3_600_000), "10000",
                "How often, in milliseconds, metrics are summed up and sent to the outputs."),
    integer_row("DNS_METRICS_BUFFER_SIZE", "metrics_buffer_flushes", (1, 100_000), "60",
                "The most flushes that wait for an output that is slow or down; when there are more, the oldest is "
                "dropped and counted."),
    Setting(
        name="DNS_STATSD_ADDRESS", attribute="statsd_address", parse=parse_statsd_address, default="", unset="",
        unset_means="no statsd", description="A statsd daemon to send metrics to, over UDP.",
        allowed="host:port; the port is 8125 unless given",
    ),
    Setting(
        name="DNS_STATSD_PREFIX", attribute="statsd_prefix", parse=parse_prefix, default="streamdns",
        description="The prefix of the names of metrics in statsd; instances that share a daemon need different ones, "
                    "or their gauges overwrite each other.",
        allowed="at most 200 letters, digits, dots, hyphens and underscores",
    ),
    Setting(
        name="DNS_STATSD_TAGS", attribute="statsd_tags", parse=parsers.choice("plain", "dogstatsd", "influx"),
        default="plain",
        description="How labels are sent to statsd: plain puts their values into the name, dogstatsd behind the value "
                    "(|#key:value), influx behind the name (,key=value).",
        allowed="plain, dogstatsd or influx",
    ),
)


def settle(values: dict[str, Any], *, problems: list[str], warnings: list[str]) -> None:
    """Check and complete settings that depend on each other; `values` lacks those that could not be parsed."""
    secret_file.settle("DNS_METRICS_TOKENS", "metrics_tokens", values, problems, parse=parse_tokens)
    urls = list(values.get("metrics_outputs") or ())
    if values.get("statsd_address"):
        urls.append(f"statsd://{values['statsd_address']}")
    values["metrics_outputs"] = tuple(dict.fromkeys(urls))
    for url in map(parse_output, urls):
        if unused_part(url):
            shown = masked_output(url.geturl())
            warnings.append(f"DNS_METRICS_OUTPUTS has {shown}, and {url.scheme} has no use for what is behind its host")
    unused = {name for name, _ in values.get("metrics_tokens") or ()} - {parse_output(url).scheme for url in urls}
    warnings += [f"DNS_METRICS_TOKENS has a token for {name}, but no such output is in use" for name in sorted(unused)]
