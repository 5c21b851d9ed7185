"""The services that carry metrics out of the process, as the settings want them; none where they want none."""

from __future__ import annotations

from streamdns.metrics.registry import Registry
from streamdns.runtime.lifecycle import Service
from streamdns.settings import Settings


def services(settings: Settings, registry: Registry) -> list[Service]:
    """In the order in which they are started; stopped in reverse, so that the last flush is still sent.

    What is off is not even loaded.
    """
    found: list[Service] = []
    if settings.metrics_address is not None:
        from streamdns.metrics.exporter import PrometheusServer

        found.append(PrometheusServer(settings.metrics_address, registry))
    if settings.metrics_outputs:
        found += _sending(settings, registry)
    return found


def _sending(settings: Settings, registry: Registry) -> list[Service]:
    from streamdns.metrics import outputs
    from streamdns.metrics.agent import OutputService
    from streamdns.metrics.aggregator import Aggregator

    tokens = dict(settings.metrics_tokens)
    senders: list[OutputService] = []
    for text in settings.metrics_outputs:
        url = outputs.parse(text)
        target = outputs.Target(
            url, settings.instance_id, token=tokens.get(url.scheme, ""), prefix=settings.statsd_prefix,
            tags=settings.statsd_tags,
        )
        # Two outputs of one kind are told apart by where they send.
        alone = [outputs.parse(other).scheme for other in settings.metrics_outputs].count(url.scheme) == 1
        name = url.scheme if alone else f"{url.scheme} {url.netloc}"
        senders.append(
            OutputService(name, outputs.make(target), registry=registry, most=settings.metrics_buffer_flushes)
        )
    return [*senders, Aggregator(registry, senders, interval_s=settings.metrics_flush_interval_ms / 1000)]
