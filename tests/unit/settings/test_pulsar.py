"""How the settings of the Pulsar source fit together."""

from __future__ import annotations

import pathlib

import pytest

from streamdns.errors import ConfigError
from streamdns.settings import load
from streamdns.sources.pulsar.config import from_settings


def problems_of(environ: dict[str, str]) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as info:
        load(environ)
    return info.value.problems


def test_an_address_means_pulsar() -> None:
    loaded = load({"DNS_PULSAR_ADDRESS": "pulsar://a.example,[::1]:7", "DNS_PULSAR_TOPIC": "names"})
    assert loaded.source == "pulsar"
    assert loaded.pulsar_address == "pulsar://a.example:6650,[::1]:7"
    assert loaded.pulsar_topic == "persistent://public/default/names"
    config = from_settings(loaded)
    assert config.hosts() == (("a.example", 6650), ("::1", 7))
    assert not config.tls


def test_tls_is_in_the_address() -> None:
    loaded = load({"DNS_PULSAR_ADDRESS": "pulsar+ssl://a.example/", "DNS_PULSAR_TOPIC": "names"})
    config = from_settings(loaded)
    assert config.tls
    assert config.hosts() == (("a.example", 6651),)
    loaded = load({"DNS_PULSAR_ADDRESS": "pulsar://a.example", "DNS_PULSAR_TOPIC": "names", "DNS_PULSAR_TLS_CA": "/x"})
    assert any("DNS_PULSAR_TLS_CA has no effect" in warning for warning in loaded.warnings)


def test_an_address_and_a_topic_are_needed() -> None:
    (problem,) = problems_of({"DNS_SOURCE": "pulsar"})
    assert "needs DNS_PULSAR_ADDRESS and DNS_PULSAR_TOPIC;" in problem
    (problem,) = problems_of({"DNS_PULSAR_ADDRESS": "pulsar://a"})
    assert "needs DNS_PULSAR_TOPIC;" in problem


def test_a_token_comes_from_one_place_and_is_shown_nowhere(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "token"
    file.write_text("a.b.c\n")
    environ = {"DNS_PULSAR_ADDRESS": "pulsar://a", "DNS_PULSAR_TOPIC": "t", "DNS_PULSAR_TOKEN_FILE": str(file)}
    loaded = load(environ)
    assert loaded.masked()["DNS_PULSAR_TOKEN"] == "***"
    config = from_settings(loaded)
    assert (config.token, config.token_file) == ("", str(file))
    assert "a.b.c" not in repr(loaded) + repr(config)
    assert any("both set" in problem for problem in problems_of(environ | {"DNS_PULSAR_TOKEN": "x"}))
