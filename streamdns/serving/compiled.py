"""Tells whether what every query goes through is compiled here, or runs in Python, which takes more CPU."""

from __future__ import annotations

from types import FunctionType

from streamdns.dns.answer import Answerer
from streamdns.serving import datagrams
from streamdns.view import lookups


def not_compiled() -> str:
    """Return what of it is not compiled, and why where that is known; "" where all is."""
    if datagrams.NOT_COMPILED or lookups.NOT_COMPILED:
        return datagrams.NOT_COMPILED or lookups.NOT_COMPILED
    return "answers are made in Python" if isinstance(vars(Answerer)["reply"], FunctionType) else ""
