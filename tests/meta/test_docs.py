"""The pages made from tables say what the tables say."""

from __future__ import annotations

import re
import runpy
from collections.abc import Callable
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
PAGES: dict[str, Callable[[], str]] = runpy.run_path(str(DOCS / "generate.py"))["PAGES"]


@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_generated_page_is_up_to_date(name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == PAGES[name](), "run: python docs/generate.py"


def test_the_pages_are_those_of_the_tables() -> None:
    assert set(PAGES) == {"settings.md", "metrics.md", "log-messages.md"}


def test_the_readme_names_every_page_and_has_no_row_twice() -> None:
    readme = (DOCS.parent / "README.md").read_text(encoding="utf-8")
    link = re.compile(r"\]\(docs/([a-z-]+\.md)\)").findall
    first_cells = [row.split(" | ")[0] for row in re.findall(r"^\| .*$", readme, re.MULTILINE)]
    listed = [page for cell in first_cells for page in link(cell)]
    assert sorted(listed) == sorted(set(listed))
    assert {path.name for path in DOCS.glob("*.md")} <= set(link(readme))
