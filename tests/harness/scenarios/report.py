"""The results of all scenarios for all resolvers."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.harness.scenarios.scenario import Result


@dataclass(slots=True)
class Report:
    """All results, the versions of those who took part, why others did not, and faults of ours."""

    results: list[Result] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def to_json(self) -> str:
        return json.dumps(asdict(self) | {"results": [result._asdict() for result in self.results]})

    @classmethod
    def from_json(cls, text: str) -> Report:
        """What to_json() made."""
        fields: dict[str, Any] = json.loads(text)
        return cls(**fields | {"results": [Result(**each) for each in fields["results"]]})

    def of(self, scenario: str) -> dict[str, Result]:
        """The results of a scenario by resolver."""
        return {result.resolver: result for result in self.results if result.scenario == scenario}

    def replace(self, other: Report) -> None:
        """Take another report's results in place of those of the same scenarios, and its faults."""
        again = {result.scenario for result in other.results}
        self.results = [result for result in self.results if result.scenario not in again] + other.results
        self.faults = other.faults
