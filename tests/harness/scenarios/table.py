"""The table of all scenarios."""

from __future__ import annotations

from tests.harness.scenarios import (
    bogus_replies_table,
    borders_table,
    data_table,
    delegations_table,
    servers_table,
)
from tests.harness.scenarios.scenario import Scenario

SCENARIOS: tuple[Scenario, ...] = (
    *servers_table.SCENARIOS, *bogus_replies_table.SCENARIOS, *delegations_table.SCENARIOS, *borders_table.SCENARIOS,
    *data_table.SCENARIOS,
)
