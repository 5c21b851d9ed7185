"""Secrets that are in URLs, where settings have them or should not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from streamdns.errors import ConfigError
from streamdns.settings import load


def problems_of(environ: Mapping[str, str]) -> Sequence[str]:
    """What is said of settings that are wrong."""
    with pytest.raises(ConfigError) as caught:
        load(environ)
    return caught.value.problems


def test_secrets_in_urls_are_masked_wherever_they_are_shown() -> None:
    """Also in what is said of a URL that is wrong."""
    url = "influx://127.0.0.1:8086/write?db=dns&u=root&p=hidden"
    loaded = load({"DNS_METRICS_OUTPUTS": f"{url},statsd://127.0.0.1/?token=hidden stdout"})
    assert loaded.masked()["DNS_METRICS_OUTPUTS"] == (
        "influx://127.0.0.1:8086/write?db=dns&u=***&p=*** statsd://127.0.0.1/?token=*** stdout"
    )
    assert url in loaded.metrics_outputs
    assert "hidden" not in " ".join(loaded.warnings)
    for wrong in ("influx://127.0.0.1:x/write?p=hidden", "nothing://127.0.0.1/?p=hidden",
                  "influx://root:hidden@127.0.0.1", "influx:///write?p=hidden"):
        assert "hidden" not in " ".join(problems_of({"DNS_METRICS_OUTPUTS": wrong})), wrong
    for name in ("DNS_PEERS", "DNS_STATSD_ADDRESS"):
        assert "hidden" not in " ".join(problems_of({name: "http://root:hidden@127.0.0.1:9/x"})), name
