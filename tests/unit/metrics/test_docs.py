"""docs/metrics-outputs.md: every output is there, its examples are of their formats, and the output in it works."""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path

import pytest

from streamdns.addresses import OUTPUTS, parse_output
from streamdns.metrics.outputs import Target, make
from streamdns.settings.metrics import METRICS
from tests.harness import ROOT
from tests.harness.metrics_formats import parsed_gts, parsed_influx, parsed_statsd
from tests.unit.metrics.examples import FLUSH

TEXT = (ROOT / "docs" / "metrics-outputs.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(OUTPUTS))
def test_every_output_is_described(name: str) -> None:
    assert f"`{name}://" in TEXT or f"## {name}\n" in TEXT


@pytest.mark.parametrize("setting", [setting.name for setting in METRICS])
def test_every_setting_of_outputs_is_named(setting: str) -> None:
    assert setting.removesuffix("_FILE") in TEXT


def test_the_examples_are_of_their_formats() -> None:
    lines = TEXT.splitlines()
    assert len(parsed_influx([line.encode() for line in lines if re.fullmatch(r"streamdns_\w+,.* \d{19}", line)])) == 3
    assert len(parsed_gts([line for line in lines if re.match(r"\d{16}// ", line)])) == 3
    statsd = re.findall(r"`(streamdns\.dns\.queries\S+)`", TEXT)
    assert len(parsed_statsd([line.replace("\\|", "|").encode() for line in statsd])) == 3


def test_the_output_that_it_shows_is_a_whole_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One file and one line: that is all that there is to do."""
    code = re.search(r"```python\n(.*?)```", TEXT, re.DOTALL)
    assert code
    name = "streamdns.metrics.outputs.lines"
    module = types.ModuleType(name)
    exec(compile(code[1], name, "exec"), module.__dict__)
    monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setitem(OUTPUTS, "lines", "lines")  # type: ignore[misc] # a dict behind a Mapping
    file = tmp_path / "counters"
    output = make(Target(parse_output(f"lines://here{file}"), "ns1"))
    output.send(FLUSH)
    output.send(FLUSH)
    output.close()
    assert file.read_text().splitlines() == ["1700000000 dns.truncated ('udp',) 3"] * 2
