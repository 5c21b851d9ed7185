"""What one row of the settings table is, and the rows that are alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from streamdns.settings import parsers

_BOOL = "true or false (also yes/no, on/off, 1/0)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One row of the table; a default of "" means unset, and unset_means says what happens then.

    `empty` is what a value that is given and empty stands for, where that is not the same as none given.
    """

    name: str
    attribute: str
    parse: Callable[[str], Any]
    default: str
    description: str
    allowed: str
    unset_means: str = ""
    unset: Any = None
    empty: str = ""
    since: str = "0.1"
    secret: bool = False
    reload: bool = False


def bool_row(name: str, attribute: str, default: str, description: str, *, reload: bool = False) -> Setting:
    """A row that is true or false."""
    return Setting(name=name, attribute=attribute, parse=parsers.parse_bool, default=default, description=description,
                   allowed=_BOOL, reload=reload)


def integer_row(
    name: str, attribute: str, bounds: tuple[int, int], default: str, description: str, *, reload: bool = False
) -> Setting:
    """A row that is a whole number within bounds."""
    return Setting(name=name, attribute=attribute, parse=parsers.integer(*bounds), default=default,
                   description=description, allowed=f"a whole number from {bounds[0]} to {bounds[1]}", reload=reload)


def seconds_row(
    name: str, attribute: str, bounds: tuple[float, float], default: str, description: str, *, reload: bool = False
) -> Setting:
    """A row that is a time in seconds within bounds."""
    return Setting(name=name, attribute=attribute, parse=parsers.seconds(*bounds), default=default,
                   description=description, allowed=f"seconds from {bounds[0]:g} to {bounds[1]:.10g}", reload=reload)
