"""The same console in a browser: textual-serve starts one for every page that is opened, on loopback only."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence


def serve(urls: Sequence[str], arguments: argparse.Namespace) -> int:
    """Serve until interrupted; the exit status. A token goes along in the environment, never in the command."""
    try:
        from textual_serve.server import Server
    except ImportError:
        sys.stderr.write("streamdns-console: --web needs the extra web: pip install 'streamdns[web]'\n")
        return 2
    command = [
        sys.executable,
        "-m",
        "streamdns_console",
        *urls,
        "--interval",
        str(arguments.interval),
        "--theme",
        arguments.theme,
    ]
    for option, value in (
        ("--env-file", arguments.env_file),
        ("--token-file", arguments.token_file),
        ("--ca", arguments.ca),
    ):
        if value:
            command += [option, value]
    Server(shlex.join(command), host="127.0.0.1", port=arguments.web, title="streamdns").serve()
    return 0
