"""Every screen and every state that matters looks as it did: its picture with a clock that stands.

Where a picture is meant to be another now, `python -m tests.console.pictures` takes them anew.
"""

from __future__ import annotations

import asyncio

import pytest
from streamdns_console.bars import SCREENS

from tests.console.pictures import FOLDER, LARGE, SMALL, SUBJECTS, file_of, take


@pytest.mark.parametrize("name", SUBJECTS)
def test_a_picture_is_what_it_was(name: str) -> None:
    """Colours, places, texts."""
    for path, picture in asyncio.run(take(name)).items():
        assert picture == path.read_text(encoding="utf-8"), f"{path.name} is another picture now"


def test_every_screen_has_pictures_at_both_sizes_and_in_both_themes() -> None:
    """And there are none that nobody takes."""
    wanted = {file_of(name, *view) for name, subject in SUBJECTS.items() for view in subject.views}
    assert set(FOLDER.glob("*.svg")) == wanted
    assert {name for _, name in SCREENS} <= set(SUBJECTS)
    for subject in SUBJECTS.values():
        assert {size for size, _ in subject.views} == {SMALL, LARGE}
        assert len({theme for _, theme in subject.views}) == 2
