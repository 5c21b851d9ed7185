"""Reads keys and the size of a terminal, and goes on when the terminal says something that is no key.

Textual ends with a traceback at an octet that is no UTF-8: a Meta key of an old terminal, a mouse in the encoding of
X10, a text in Latin-1 that was pasted, what a bad connection makes of a sequence. And it looks at the size only when
SIGWINCH says that it is another, which Linux sends before the new size can be read: whoever reads at once may get the
old one, and is told no more. (It knows no hook for this, so its loop is replaced; its version is pinned.)
"""

from __future__ import annotations

import os
import selectors
from codecs import getincrementaldecoder
from typing import Final

from textual import events
from textual._xterm_parser import XTermParser
from textual.drivers.linux_driver import LinuxDriver
from textual.geometry import Size

_CHUNK: Final = 4096
#: So often it is looked whether the console ends, whether the size is another, and whether an escape sequence is over
#: because nothing follows.
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
                self._tell_size()
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

    def _tell_size(self) -> None:
        size = Size(*self._get_terminal_size())
        if size != self._app.size:
            self.process_message(events.Resize(size, size))

    def _read(self) -> bytes:
        try:
            return os.read(self.fileno, _CHUNK)
        except OSError:
            return b""
