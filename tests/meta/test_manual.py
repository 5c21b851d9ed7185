"""The manual pages are made from the tables: every command and setting is there, and man(1) warns of nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from streamdns.commands.parser import parsers
from streamdns.settings.table import SETTINGS
from tests.harness import ROOT, require_tools
from tests.harness.manual import pages_of_the_manual, warnings_of_a_page


def made(place: Path) -> dict[str, str]:
    """The three pages by their names."""
    subprocess.run([sys.executable, str(ROOT / "packaging" / "manpages.py"), str(place)], check=True)
    return {page.name: page.read_text(encoding="utf-8") for page in pages_of_the_manual(place)}


def test_the_pages_have_every_command_and_setting_and_no_warnings(tmp_path: Path) -> None:
    """streamdns(1), streamdns.conf(5) and streamdns-console(1)."""
    pages = made(tmp_path)
    assert set(pages) == {"streamdns.1", "streamdns.conf.5", "streamdns-console.1"}
    _, commands = parsers()
    assert len(commands) > 10
    for name in commands:
        assert f".SS {name}\n" in pages["streamdns.1"].replace("\\-", "-")
    for setting in SETTINGS:
        assert f".B {setting.name}\n" in pages["streamdns.conf.5"]
    assert ".B \\-\\-once\n" in pages["streamdns-console.1"]
    require_tools("man")
    for name in pages:
        assert not warnings_of_a_page(tmp_path / name)
