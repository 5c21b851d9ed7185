"""Reads keys from a terminal, and goes on when the terminal says something that is no key.

Textual ends with a traceback at an octet that is no UTF-8: a Meta key of an old terminal, a mouse in the encoding of
X10, a text in Latin-1 that was pasted, what a bad connection makes of a sequence. (It knows no hook for this, so its
loop is replaced; its version is pinned.)
"""

from __future__ import annotations

import os
import selectors
from codecs import getincrementaldecoder
from typing import Final

from textual._xterm_parser import XTermParser
from textual.drivers.linux_driver import LinuxDriver

_CHUNK: Final = 4096
#: So often it is looked whether the console ends, and whether an escape sequence is over because nothing follows.
_TICK_S: Final = 0.1


class Driver(LinuxDriver):
    """Textual's driver for terminals, which passes over input that cannot be understood instead of ending."""

    def run_input_thread(self) -> None:
        """Read keys until the console ends, or the terminal is gone, which ends the console."""
        decoder = getincrementaldecoder("utf-8")(errors="ignore")
        parser = XTermParser()
        with selectors.SelectSelector() as selector:
            selector.register(self.fileno, selectors.EVENT_READ)
            while not self.exit_event.is_set():
                text = ""
                if selector.select(_TICK_S):
                    octets = self._read()
                    if not octets:
                        self._app.call_later(self._app.exit)
                        return
                    text = decoder.decode(octets)
                # One after the other, so that what stands behind nonsense is not lost with it.
                for char in (*text, ""):
                    try:
                        for event in parser.feed(char) if char else parser.tick():
                            self.process_message(event)
                    except (ValueError, OverflowError):
                        # The number of a key that is greater than any character's.
                        parser = XTermParser()

    def _read(self) -> bytes:
        try:
            return os.read(self.fileno, _CHUNK)
        except OSError:
            return b""
