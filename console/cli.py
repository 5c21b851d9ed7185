"""`streamdns-console`: arguments in, the console or its text out."""

from __future__ import annotations

import argparse
import asyncio
import importlib.metadata
import shutil
import sys
from collections.abc import Sequence
from typing import Final

from . import environment

_EPILOG: Final = """\
Without URL it asks the node that STREAMDNS_NODE names, or else that of this machine: where DNS_ADMIN_ADDRESS has it,
unix:/run/streamdns/admin.sock if that is there, 127.0.0.1:8054. The token is that of --token-file or STREAMDNS_TOKEN;
without one the console asks for a name and a password where the node wants to know who calls. Nothing is written to
disk. Exit status of --once and --json: 0, 1 where a node does not answer or should get no queries, 2 for bad arguments.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run; the exit status."""
    arguments = _parser().parse_args(argv)
    try:
        surroundings = environment.read()
        urls = list(dict.fromkeys(environment.parse_node(text) for text in arguments.url or [surroundings.node]))
        token = environment.read_token(arguments.token_file) if arguments.token_file else surroundings.token
    except ValueError as error:
        sys.stderr.write(f"streamdns-console: {error}\n")
        return 2
    version = _version()
    if arguments.web is not None:
        from .web import serve

        return serve(urls, arguments)
    if arguments.once or arguments.json:
        return _print(urls, token, arguments, version, plain=surroundings.plain)
    if not surroundings.browser and not (sys.stdin.isatty() and sys.stdout.isatty()):
        sys.stderr.write("streamdns-console: this is no terminal; --once prints the overview as text\n")
        return 2
    if not surroundings.browser:
        environment.forget_size()
    return _run(urls, token, arguments, version, surroundings)


def _run(
    urls: Sequence[str], token: str, arguments: argparse.Namespace, version: str, surroundings: environment.Environment
) -> int:
    from . import themes
    from .app import Console
    from .reader import LiveReader

    few = surroundings.few_colours
    light = arguments.theme == "light"
    theme = (themes.LIGHT_16 if light else themes.DARK_16) if few else (themes.LIGHT if light else themes.DARK)

    async def run() -> None:
        reader = LiveReader(urls, token=token, ca=arguments.ca or "", interval_s=arguments.interval, version=version)
        await Console(reader, theme=theme.name, plain=surroundings.plain).run_async()

    asyncio.run(run())
    return 0


def _print(urls: Sequence[str], token: str, arguments: argparse.Namespace, version: str, *, plain: bool) -> int:
    from . import once
    from .reader import read_once

    try:
        snapshot = asyncio.run(
            read_once(urls, token=token, ca=arguments.ca or "", version=version, seconds=arguments.interval)
        )
    except OSError as error:
        sys.stderr.write(f"streamdns-console: {error}\n")
        return 2
    if arguments.json:
        sys.stdout.write(once.as_json(snapshot))
    else:
        width = shutil.get_terminal_size((once.WIDTH, 24)).columns if sys.stdout.isatty() else once.WIDTH
        encoding = (sys.stdout.encoding or "ascii").lower()
        sys.stdout.write(once.as_text(snapshot, width=max(40, width), plain=plain or "utf" not in encoding))
    return once.exit_code(snapshot)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="streamdns-console",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Watches one or several streamdns nodes through their admin API.",
    )
    parser.add_argument(
        "url",
        nargs="*",
        metavar="URL",
        help="the admin API of a node: http://HOST:PORT, https://HOST:PORT, HOST:PORT or unix:PATH",
    )
    parser.add_argument("--token-file", metavar="FILE", help="a file that holds a token")
    parser.add_argument("--ca", metavar="FILE", help="certificates (PEM) to trust for https instead of the system's")
    parser.add_argument(
        "--interval", type=_seconds, default=1.0, metavar="SECONDS", help="how often nodes are asked (1; 0.2 to 60)"
    )
    parser.add_argument("--theme", choices=("dark", "light"), default="dark", help="colours to begin with (dark)")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--once", action="store_true", help="print the overview as text, and end")
    what.add_argument("--json", action="store_true", help="print all that is known as JSON, and end")
    what.add_argument(
        "--web",
        nargs="?",
        type=_port,
        const=8055,
        metavar="PORT",
        help="serve the console to a browser on 127.0.0.1 (8055); needs streamdns[web]",
    )
    parser.add_argument("--version", action="version", version=f"streamdns-console {_version()}")
    return parser


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.2 <= value <= 60:
        raise argparse.ArgumentTypeError(f"{text} is no number of seconds from 0.2 to 60")
    return value


def _port(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"{text} is no port")
    return int(text)


def _version() -> str:
    try:
        return importlib.metadata.version("streamdns")
    except importlib.metadata.PackageNotFoundError:
        return ""
