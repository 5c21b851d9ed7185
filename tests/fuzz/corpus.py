"""Inputs that are kept: a text file for each target, an input a line in hexadecimal, after it what it is kept for."""

from __future__ import annotations

import pathlib
from collections.abc import Iterable

FOLDER = pathlib.Path(__file__).with_name("corpus")
#: Longer inputs are made by the targets themselves, not kept; and of all of one target no more than so much.
MOST_OCTETS, ALL_OCTETS = 512, 16 << 10


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
    """Add inputs that are not there, the shortest first, as long as there is room; how many were added."""
    there = kept(name)
    room = ALL_OCTETS - sum(map(len, there))
    count = 0
    with path(name).open("a", encoding="ascii") as file:
        for each in sorted({*inputs} - {*there}, key=lambda each: (len(each), each)):
            room -= len(each)
            if len(each) > MOST_OCTETS or (room < 0 and not why):
                break
            file.write(each.hex() + (f"  # {why}\n" if why else "\n"))
            count += 1
    return count
