"""Reads the secrets that settings name files for: a file that holds nothing is a mistake, never "no secret"."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from streamdns.named_files import open_named

T = TypeVar("T")
_MOST_BYTES = 1 << 20


def read(path: str) -> str:
    """The text of a file without the ends of line at its end; raises ValueError with one phrase."""
    try:
        with open_named(path) as file:
            octets = file.read(_MOST_BYTES + 1)
    except OSError as err:
        raise ValueError(f"cannot be read: {(err.strerror or str(err)).lower()}") from err
    if len(octets) > _MOST_BYTES:
        raise ValueError(f"is larger than {_MOST_BYTES} octets")
    try:
        # With the mark that some editors put before the text.
        text = octets.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8 text") from None
    if not text.strip():
        raise ValueError("holds nothing")
    return text


def settle(
    name: str, attribute: str, values: dict[str, Any], problems: list[str], *, parse: Callable[[str], object],
) -> None:
    """Take the value of a setting from the file that NAME_FILE names, where it does; each is an error beside the other.

    A value that could not be parsed is not there.
    """
    path = values.get(f"{attribute}_file")
    if not path:
        return
    if values.get(attribute):
        problems.append(f"{name} and {name}_FILE are both set; allowed: one of them")
        return
    try:
        text = read(path)
    except ValueError as err:
        problems.append(f"{name}_FILE={path} {err}; allowed: a path of a file that holds it")
        return
    try:
        values[attribute] = parse(text)
    except ValueError as err:
        problems.append(f"{name}_FILE={path}: its content {err}; allowed: a path of a file that holds it")
