"""All scenarios."""

from __future__ import annotations

from tests.harness.scenarios import data_table, lies_table, servers_table, ways_table
from tests.harness.scenarios.scenario import Scenario

SCENARIOS: tuple[Scenario, ...] = (
    *servers_table.SCENARIOS, *lies_table.SCENARIOS, *ways_table.SCENARIOS, *data_table.SCENARIOS,
)
