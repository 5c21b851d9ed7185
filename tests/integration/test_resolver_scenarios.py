"""What can be wrong with name servers, put to a whole streamdns, and to other resolvers where they are.

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
from tests.harness.scenarios import RANKS, RIGHT, SCENARIOS, Report, Scenario
from tests.harness.scenarios.__main__ import CANNOT
from tests.harness.scenarios.page import EXPLANATIONS, PAGE

pytestmark = pytest.mark.peers("named", "nsd", "knotd", "ip")

OURS = "streamdns"
#: streamdns sends no more than so many times what the most frugal of the others sends, and so many more.
FACTOR, MORE = 3, 10
_SHOWN = {scenario.name: scenario for scenario in SCENARIOS}


#: What does not come out as it should is played again by itself: everything at once may be too much for this machine,
#: and a server that is meant to be prompt is late then. What is wrong is wrong every time.
_TIMES = 3


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """What came of all scenarios."""
    found = played(tmp_path_factory.mktemp("scenarios"))
    for _ in range(_TIMES - 1):
        again = [each.name for each in SCENARIOS if each.name not in found.left_out
                 and (faults(found, each) or (not each.own and not found.missing and behind(found, each)))]
        if not again:
            break
        print("played again:", *again)
        found.replace(played(tmp_path_factory.mktemp("again"), *again))
    return found


def played(folder: pathlib.Path, *names: str) -> Report:
    done = subprocess.run(
        [sys.executable, "-m", "tests.harness.scenarios", "--folder", str(folder), *names],
        cwd=ROOT, env=clean_environment({"PYTHONPATH": str(ROOT)}), capture_output=True, text=True, timeout=300,
        check=False,
    )
    if done.returncode == CANNOT:
        assert os.geteuid(), f"root cannot make a network: {done.stderr}"
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    return Report.from_json(done.stdout)


def faults(report: Report, scenario: Scenario) -> str:
    """What streamdns does not do right: no answer where there is one, no reason (RFC 8914), or too many queries."""
    result = report.of(scenario.name)[OURS]
    if result.verdict != RIGHT:
        return f"not right: {result}"
    if result.shown.startswith("SERVFAIL") and not result.ede:
        return f"no reason: {result}"
    return f"more queries than {scenario.most}: {result}" if result.queries > scenario.most else ""


def behind(report: Report, scenario: Scenario) -> str:
    """What streamdns does worse than the others.

    A right answer goes before SERVFAIL, and that before something wrong or nothing; few queries before many.
    """
    found = report.of(scenario.name)
    result = found.pop(OURS)
    peers = list(found.values())
    if RANKS[result.verdict] < min(RANKS[peer.verdict] for peer in peers):
        return f"the worst: {result}, {peers}"
    counts = [peer.queries for peer in peers]
    most = max(FACTOR * min(counts) + MORE, max(counts))
    return f"more queries than {most}: {result}, {peers}" if result.queries > most else ""


def there(report: Report, scenario: Scenario) -> None:
    if scenario.name in report.left_out:
        pytest.skip(report.left_out[scenario.name])


@pytest.mark.parametrize("scenario", SCENARIOS, ids=_SHOWN.keys())
def test_streamdns_does_right(report: Report, scenario: Scenario) -> None:
    there(report, scenario)
    assert not faults(report, scenario)


@pytest.mark.parametrize("scenario", [each for each in SCENARIOS if not each.own], ids=lambda each: each.name)
def test_streamdns_is_nowhere_the_worst(report: Report, scenario: Scenario) -> None:
    there(report, scenario)
    if report.missing:
        pytest.skip("; ".join(report.missing.values()))
    assert not behind(report, scenario)


def test_nothing_went_wrong_on_our_side(report: Report) -> None:
    """Every query found its script, and streamdns ended as it should."""
    assert not report.faults
    assert len(report.results) >= len(SCENARIOS) - len(report.left_out)


def test_the_page_has_them_all() -> None:
    """It is made again when there is another scenario: python -m tests.harness.scenarios --write."""
    page = pathlib.Path(PAGE).read_text(encoding="utf-8")
    assert [line.split("`")[1] for line in page.splitlines() if line.startswith("| `")] == [*_SHOWN]
    assert set(EXPLANATIONS) <= set(_SHOWN)
