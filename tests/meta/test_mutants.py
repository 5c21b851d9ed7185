"""The table of mutants that make no difference, and the modules that are mutated."""

from __future__ import annotations

import pytest

from tests.harness import ROOT
from tests.mutants.groups import GROUPS, equivalent


def test_each_equivalent_mutant_has_a_change_and_a_reason() -> None:
    """And the function that is changed is still there, with the line as it was."""
    known = equivalent()
    assert known
    for change, reason in known.items():
        function, _, lines = change.partition(": ")
        old, _, new = lines.partition(" -> ")
        assert old != new or " -> " in new, change
        assert reason.endswith("."), change
        module = next(path for path in [ROOT / f"{'/'.join(function.split('.')[:cut])}.py" for cut in range(2, 7)]
                      if path.is_file())
        text = " ".join(module.read_text(encoding="utf-8").split())
        assert " ".join(old.split()).split(" -> ", maxsplit=1)[0] in text, change


@pytest.mark.parametrize("name", GROUPS)
def test_what_is_mutated_and_tested_is_there(name: str) -> None:
    group = GROUPS[name]
    for pattern in (*group.modules, *group.tests, *group.left_out):
        assert list(ROOT.glob(pattern)), pattern
