"""Settings as editors, templates and people write them: marks before the text, commas, lower case."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamdns.errors import ConfigError
from streamdns.settings import load
from streamdns.settings.metrics import parse_outputs


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_the_mark_that_some_editors_begin_with_hides_no_setting(tmp_path: Path, mark: bytes) -> None:
    file = tmp_path / "env"
    file.write_bytes(mark + b"DNS_ADDRESS=127.0.0.1:53\r\nDNS_ZONES=example.org\r\n")
    loaded = load({}, str(file))
    assert loaded.given == {"DNS_ADDRESS", "DNS_ZONES"}
    assert loaded.warnings == ()


def test_names_in_lower_case_are_not_ignored_in_silence(tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_text("dns_address=127.0.0.1:53\nLog_Level=debug\nhttp_proxy=x\n")
    loaded = load({}, str(file))
    assert loaded.given == frozenset()
    assert loaded.warnings == (
        "Log_Level is not a setting and is ignored; the nearest known name is LOG_LEVEL",
        "dns_address is not a setting and is ignored; the nearest known name is DNS_ADDRESS",
    )


@pytest.mark.parametrize(("text", "found"), [
    ("statsd://host,stdout", ("statsd://host", "stdout")),
    ("stdout, influx+udp://h:1,warp10://w/a", ("stdout", "influx+udp://h:1", "warp10://w/a")),
    ("influx://h/write?db=a,b stdout", ("influx://h/write?db=a,b", "stdout")),
    ("stdout,", ("stdout",)),
])
def test_outputs_may_be_separated_as_other_lists_are(text: str, found: tuple[str, ...]) -> None:
    assert parse_outputs(text) == found


@pytest.mark.parametrize("url", ["statsd://h/path", "statsd://h?x=y", "influx+udp://h:1/x", "stdout://h"])
def test_what_an_output_has_no_use_for_is_not_dropped_in_silence(url: str) -> None:
    (warning,) = load({"DNS_METRICS_OUTPUTS": url}).warnings
    assert warning.startswith(f"DNS_METRICS_OUTPUTS has {url.replace('=y', '=***')}, and ")
    assert load({"DNS_METRICS_OUTPUTS": "statsd://h/ influx://h/write?db=x stdout"}).warnings == ()


@pytest.mark.parametrize("prefix", ["a b", "a:b", "a|c", "a@b", "a#b", "a/b", "ä", "x" * 201])
def test_a_prefix_that_would_end_a_name_is_refused(prefix: str) -> None:
    with pytest.raises(ConfigError, match="DNS_STATSD_PREFIX="):
        load({"DNS_STATSD_PREFIX": prefix})


@pytest.mark.parametrize(("settings", "count"), [
    ({"DNS_ADDRESS": "127.0.0.1:8054"}, 1),
    ({"DNS_METRICS_ADDRESS": "127.0.0.1:8054"}, 1),
    ({"DNS_METRICS_ADDRESS": "0.0.0.0:8053"}, 1),
    ({"DNS_ADDRESS": ":53 127.0.0.1:53"}, 1),
    ({"DNS_ADDRESS": "127.0.0.1:53 127.0.0.1:54", "DNS_ADMIN_ADDRESS": "127.0.0.1:53"}, 1),
    ({"DNS_ADDRESS": "127.0.0.1:8054", "DNS_TCP": "false"}, 0),
    ({"DNS_METRICS_ADDRESS": "127.0.0.1:8054", "DNS_TCP": "false"}, 1),
    ({"DNS_METRICS_ADDRESS": "127.0.0.1:8054", "DNS_ADMIN_ADDRESS": "off"}, 0),
    ({"DNS_METRICS_ADDRESS": "[::1]:8054"}, 0),
    ({"DNS_ADDRESS": "127.0.0.1:0", "DNS_METRICS_ADDRESS": "127.0.0.1:0"}, 0),
])
def test_two_listeners_at_one_port_are_a_mistake(settings: dict[str, str], count: int) -> None:
    problems: tuple[str, ...] = ()
    try:
        load(settings)
    except ConfigError as err:
        problems = err.problems
    assert len([problem for problem in problems if "are one and the same port" in problem]) == count, problems
