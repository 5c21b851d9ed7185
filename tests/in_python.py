"""Hides the compiled modules that take most events before Python sees them: without them Python does the same.

Else tests of what is in Python, and changes of it that tests should notice, would never see such an event. The tests of
these modules get them by `compiled`, and those of a compiled tree see nothing else.
"""

from __future__ import annotations

import importlib
import pathlib
import sys
from functools import cache
from typing import Any

import streamdns

_SOURCES = pathlib.Path(__file__).resolve().parent.parent / "streamdns"
_TAKE_MOST_EVENTS = ("streamdns.events._plain", "streamdns.view._alone")


def hide() -> None:
    """Let nobody in this process import them from now on, unless it is a compiled tree that is tried or measured."""
    if pathlib.Path(streamdns.__file__).parent == _SOURCES:
        sys.modules.update(dict.fromkeys(_TAKE_MOST_EVENTS))  # type: ignore[arg-type]


@cache
def compiled(name: str) -> Any:
    """Import one all the same; gives None where it is not compiled."""
    hidden = name in sys.modules and sys.modules[name] is None
    if hidden:
        del sys.modules[name]
    try:
        return importlib.import_module(name)
    except ImportError:
        return None
    finally:
        if hidden:
            sys.modules[name] = None  # type: ignore[assignment]
