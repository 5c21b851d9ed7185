"""Writes the completion of commands, options and files for a shell; shtab makes it from the parser."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

import shtab

_FILES = ("FILE", "ZONEFILE")


def script(
    shell: str, parser: argparse.ArgumentParser, commands: Mapping[str, argparse.ArgumentParser],
    summaries: Mapping[str, str],
) -> str:
    """Return the completion for a shell; changes the parsers it is given."""
    for name, command in commands.items():
        # Of a description shells show the first line, wherever its sentence ends.
        command.description = summaries[name]
    for each in (parser, *commands.values()):
        for action in each._actions:  # noqa: SLF001 - argparse has no other way to ask
            if action.metavar in _FILES:
                action.complete = shtab.FILE  # type: ignore[attr-defined] # where shtab looks for it
    return str(shtab.complete(parser, shell))
