"""The commands of streamdns by theme, imported when asked for; cli.py chooses one and turns errors into exit codes."""

from __future__ import annotations

from streamdns.errors import StreamDNSError


class CommandError(StreamDNSError):
    """A command cannot do what was asked, in one sentence; caught by cli.py, exit 1."""
