"""Names who runs a command."""

from __future__ import annotations

import os
import pwd
import socket


def user_at_host() -> str:
    """Return the user who runs this command and the machine, as user@host."""
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"
