"""What can be wrong with name servers, put to a whole streamdns, and to Unbound and PowerDNS Recursor where they are.

All of it is played once, by a process with a network of its own (`python -m tests.harness.scenarios`), and looked at
here. No times are compared.
"""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest

from tests.harness import ROOT
from tests.harness.process import clean_environment
from tests.harness.scenarios import RANKS, RIGHT, SCENARIOS, Report, Result, Scenario
from tests.harness.scenarios.__main__ import CANNOT
from tests.harness.scenarios.page import EXPLANATIONS, PAGE

pytestmark = pytest.mark.peers("named", "nsd", "knotd", "ip")

OURS = "streamdns"
#: streamdns sends no more than so many times what the most frugal of the others sends, and so many more.
FACTOR, MORE = 3, 10
_SHOWN = {scenario.name: scenario for scenario in SCENARIOS}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """What came of all scenarios."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.harness.scenarios", "--folder", str(tmp_path_factory.mktemp("scenarios"))],
        cwd=ROOT, env=clean_environment({"PYTHONPATH": str(ROOT)}), capture_output=True, text=True, timeout=170,
        check=False,
    )
    if done.returncode == CANNOT:
        assert os.geteuid(), f"root cannot make a network: {done.stderr}"
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    return Report.from_json(done.stdout)


def ours(report: Report, scenario: Scenario) -> Result:
    if scenario.name in report.left_out:
        pytest.skip(report.left_out[scenario.name])
    return report.of(scenario.name)[OURS]


def others(report: Report, scenario: Scenario) -> list[Result]:
    if report.missing:
        pytest.skip("; ".join(report.missing.values()))
    ours(report, scenario)
    return [result for name, result in report.of(scenario.name).items() if name != OURS]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=_SHOWN.keys())
def test_streamdns_does_right(report: Report, scenario: Scenario) -> None:
    """And whoever gets no answer is told why (RFC 8914), and nobody is sent more than there is a bound for."""
    result = ours(report, scenario)
    assert result.verdict == RIGHT, result
    assert result.ede or not result.shown.startswith("SERVFAIL"), result
    assert result.queries <= scenario.most, result


@pytest.mark.parametrize("scenario", [each for each in SCENARIOS if not each.own], ids=lambda each: each.name)
def test_streamdns_is_nowhere_the_worst(report: Report, scenario: Scenario) -> None:
    """A right answer goes before SERVFAIL, and that before something wrong or nothing; few queries before many."""
    peers = others(report, scenario)
    result = ours(report, scenario)
    assert RANKS[result.verdict] >= min(RANKS[peer.verdict] for peer in peers), (result, peers)
    assert result.queries <= FACTOR * min(peer.queries for peer in peers) + MORE, (result, peers)


def test_nothing_went_wrong_on_our_side(report: Report) -> None:
    """Every query found its script, and streamdns ended as it should."""
    assert not report.faults
    assert len(report.results) >= len(SCENARIOS) - len(report.left_out)


def test_the_page_has_them_all() -> None:
    """docs/resolver-peers.md is made again when there is another scenario: python -m tests.harness.scenarios --write."""
    page = pathlib.Path(PAGE).read_text(encoding="utf-8")
    assert [line.split("`")[1] for line in page.splitlines() if line.startswith("| `")] == [*_SHOWN]
    assert set(EXPLANATIONS) <= set(_SHOWN)
