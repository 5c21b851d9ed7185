"""The targets: each a module with `INCLUDE`, `seeds`, `mutated` and `check`.

INCLUDE: packages whose branches guide the fuzzer. seeds(): inputs that are in order, or nearly. mutated(): an input
after accidents that octets alone would not meet. check(): raises AssertionError for what must not be; with `whole`
also the oracles that take long are asked, and the work is counted.
"""

from __future__ import annotations

import importlib
import random
from collections.abc import Iterator
from typing import Protocol, cast

NAMES = ("answers", "edns", "replies", "resolution", "events", "filelog", "master", "http", "kafka")


class Target(Protocol):
    """What a module of this package is."""

    INCLUDE: tuple[str, ...]

    def seeds(self, rng: random.Random) -> Iterator[bytes]: ...

    def mutated(self, data: bytes, rng: random.Random) -> bytes: ...

    def check(self, data: bytes, *, whole: bool) -> None: ...


def load(name: str) -> Target:
    """The target with this name, imported now: what it tests must not have been imported before it is instrumented."""
    if name not in NAMES:
        raise ValueError(f"there is no target {name}; there are {', '.join(NAMES)}")
    return cast(Target, importlib.import_module(f"{__name__}.{name}"))
