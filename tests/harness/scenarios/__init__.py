"""Scenarios of faulty name servers, played against several resolvers: `python -m tests.harness.scenarios`."""

from __future__ import annotations

from tests.harness.scenarios.report import Report
from tests.harness.scenarios.scenario import RANKS, RIGHT, Result, Scenario, Step
from tests.harness.scenarios.table import SCENARIOS

__all__ = ["RANKS", "RIGHT", "SCENARIOS", "Report", "Result", "Scenario", "Step"]
