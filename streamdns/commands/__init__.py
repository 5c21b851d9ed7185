"""The commands of streamdns, a file each or one for a few; cli.py imports the one that is asked for."""

from __future__ import annotations

from streamdns.errors import StreamDNSError


class CommandError(StreamDNSError):
    """A command cannot do what was asked; the text is one sentence. Caught by cli.py: exit 1."""
