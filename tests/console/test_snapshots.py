"""The overview as a picture, at two sizes and in two themes, is what it was: its SVG with a clock that stands.

Where the picture is meant to be another now, `python -m tests.console.test_snapshots` takes them anew.
"""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

import pytest
from streamdns_console import themes
from streamdns_console.model import Part

from tests.console import fake
from tests.console.driving import console
from tests.console.fake import NOW_S, FakeReader, node, snapshot, status

FOLDER = Path(__file__).resolve().parent / "snapshots"
PICTURES = {
    f"overview-{width}x{height}-{theme.name.removeprefix('streamdns-')}": ((width, height), theme.name)
    for width, height in ((80, 24), (160, 45)) for theme in (themes.DARK, themes.LIGHT)
}


async def taken(size: tuple[int, int], theme: str) -> str:
    """The picture, without fonts from elsewhere."""
    refused = node(status=Part(status(quarantine=1), NOW_S), quarantine=Part((fake.quarantined(1),), NOW_S))
    async with console(FakeReader(snapshot(refused)), size=size, theme=theme) as (app, _):
        picture = app.export_screenshot(title="streamdns-console", simplify=True)
    return re.sub(r"@font-face \{.*?\}\n", "", picture, flags=re.DOTALL)


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_what_it_was(name: str) -> None:
    """Colours, places, texts."""
    size, theme = PICTURES[name]
    assert asyncio.run(taken(size, theme)) == (FOLDER / f"{name}.svg").read_text(encoding="utf-8")


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for each, (wanted, colours) in PICTURES.items():
        (FOLDER / f"{each}.svg").write_text(asyncio.run(taken(wanted, colours)), encoding="utf-8")
        sys.stdout.write(f"{each}.svg\n")
