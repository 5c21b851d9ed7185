"""Makes the services that send and serve metrics, from the settings; none where nothing is to be sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from streamdns.addresses import parse_output
from streamdns.metrics.registry import Registry
from streamdns.runtime.lifecycle import Service
from streamdns.runtime.listening import InetListener


class Sending(NamedTuple):
    """Where metrics are sent: URLs of outputs, tokens by the word a URL begins with, and how names and tags are
    written.

    A flush is taken every `interval_s` seconds, and each output keeps `most_flushes` of them while its server is away.
    """

    outputs: Sequence[str]
    tokens: Mapping[str, str]
    instance: str
    prefix: str
    tags: str
    interval_s: float
    most_flushes: int


def services(listener: InetListener | None, sending: Sending, registry: Registry) -> list[Service]:
    """Return the services in the order in which they start; stopped in reverse, so that the last flush is still sent.

    Prometheus is served at `listener`, where there is one. What is off is not even loaded.
    """
    found: list[Service] = []
    if listener is not None:
        from streamdns.metrics.exporter import PrometheusServer

        found.append(PrometheusServer(listener, registry))
    if sending.outputs:
        found += _senders(sending, registry)
    return found


def _senders(sending: Sending, registry: Registry) -> list[Service]:
    from streamdns.metrics import outputs
    from streamdns.metrics.agent import OutputService
    from streamdns.metrics.aggregator import Aggregator

    urls = [parse_output(text) for text in sending.outputs]
    schemes = [url.scheme for url in urls]
    senders: list[OutputService] = []
    for url in urls:
        target = outputs.Target(
            url, sending.instance, token=sending.tokens.get(url.scheme, ""), prefix=sending.prefix, tags=sending.tags
        )
        # Two outputs of one kind are told apart by where they send.
        name = url.scheme if schemes.count(url.scheme) == 1 else f"{url.scheme} {url.netloc}"
        senders.append(OutputService(name, outputs.make(target), registry=registry, most=sending.most_flushes))
    return [*senders, Aggregator(registry, senders, interval_s=sending.interval_s)]
