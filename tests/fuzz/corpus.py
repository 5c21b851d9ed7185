"""Inputs that are kept: a text file for each target, an input a line in hexadecimal, after it what it is kept for."""

from __future__ import annotations

import pathlib
from collections.abc import Iterable

FOLDER = pathlib.Path(__file__).with_name("corpus")
#: Longer inputs are made by the targets themselves, not kept.
MOST_OCTETS = 2048


def path(name: str) -> pathlib.Path:
    """Where those of a target are."""
    return FOLDER / f"{name}.txt"


def kept(name: str) -> list[bytes]:
    """The inputs of a target, in order."""
    file = path(name)
    if not file.exists():
        return []
    return [bytes.fromhex(line.partition("#")[0]) for line in file.read_text(encoding="ascii").splitlines() if line]


def keep(name: str, inputs: Iterable[bytes], why: str = "") -> int:
    """Add inputs that are not there and not too long; how many were added."""
    there = set(kept(name))
    new = sorted({each for each in inputs if len(each) <= MOST_OCTETS} - there, key=lambda each: (len(each), each))
    with path(name).open("a", encoding="ascii") as file:
        file.writelines(each.hex() + (f"  # {why}\n" if why else "\n") for each in new)
    return len(new)
