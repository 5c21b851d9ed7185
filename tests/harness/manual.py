"""Pages of the manual, and what man(1) and groff find wrong in them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path


def pages_of_the_manual(place: Path) -> list[Path]:
    """The pages below a directory, in the order of their names."""
    return sorted((path for path in place.rglob("*") if path.is_file()), key=lambda path: path.name)


def warnings_of_a_page(page: Path) -> str:
    """Render a page for a terminal of 80 columns; returns what is said about it."""
    done = subprocess.run(
        ["man", "--warnings=w", "--encoding=UTF-8", "--local-file", "-Tutf8", "-Z", str(page)],
        capture_output=True, text=True, check=False,
        env=os.environ | {"LC_ALL": "C.UTF-8", "MANROFFSEQ": "", "MANWIDTH": "80"},
    )
    return done.stderr if done.returncode == 0 else done.stderr or f"status {done.returncode}"
