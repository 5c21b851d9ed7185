"""The form of a row in the settings table, and short ways to write rows of booleans, integers and seconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from streamdns.settings import parsers

_BOOL = "true or false (also yes/no, on/off, 1/0)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting: its name, parser, default and description. A default of "" means unset; unset_means explains it.

    `empty` is the value that an empty text stands for, where that differs from no text. `shown` masks what may be a
    secret in a text that is not secret as a whole, wherever it is shown.
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
    shown: Callable[[str], str] = str
    reload: bool = False


def bool_row(name: str, attribute: str, default: str, description: str, *, reload: bool = False) -> Setting:
    """Make the row of a setting that is true or false."""
    return Setting(name=name, attribute=attribute, parse=parsers.parse_bool, default=default, description=description,
                   allowed=_BOOL, reload=reload)


def integer_row(
    name: str, attribute: str, bounds: tuple[int, int], default: str, description: str, *, reload: bool = False
) -> Setting:
    """Make the row of a setting that is a whole number within bounds."""
    return Setting(name=name, attribute=attribute, parse=parsers.integer(*bounds), default=default,
                   description=description, allowed=f"a whole number from {bounds[0]} to {bounds[1]}", reload=reload)


def seconds_row(
    name: str, attribute: str, bounds: tuple[float, float], default: str, description: str, *, reload: bool = False
) -> Setting:
    """Make the row of a setting that is a time in seconds within bounds."""
    return Setting(name=name, attribute=attribute, parse=parsers.seconds(*bounds), default=default,
                   description=description, allowed=f"seconds from {bounds[0]:g} to {bounds[1]:.10g}", reload=reload)


def share_row(name: str, attribute: str, default: str, description: str, *, reload: bool = False) -> Setting:
    """Make the row of a setting that is a share of something, or off."""
    return Setting(name=name, attribute=attribute, parse=parsers.parse_share, default=default, description=description,
                   allowed="a share such as 10% or 0.1, from 0 to 100%; or off", reload=reload)
