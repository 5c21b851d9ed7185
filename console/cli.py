"""`streamdns-console`: arguments in, the console or its text out."""

from __future__ import annotations

import argparse
import asyncio
import functools
import gc
import importlib.metadata
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from . import environment

if TYPE_CHECKING:
    from .watch import Renew

_EPILOG: Final = """\
Without URL it asks the node that STREAMDNS_NODE names, or else that of this machine, where the settings of the server
have it: those of --env-file (/etc/streamdns/streamdns.conf unless given) and of the environment. Without settings it is
unix:/run/streamdns/admin.sock if that is there, or 127.0.0.1:8054. The token is that of --token-file or of
STREAMDNS_TOKEN; for the node of this machine one is signed where the settings have a key that you may read. Without a
token the console asks for a name and a password where the node wants to know who calls. Nothing is written to disk.
Exit status of --once and --json: 0, 1 where a node does not answer or should get no queries, 2 for bad arguments.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Watched:
    """Which nodes are watched, and how they are asked; `problem` is why the settings of this machine have no say."""

    urls: tuple[str, ...]
    token: str
    ca: str = ""
    renew: Renew | None = None
    problem: str = ""


def main(argv: Sequence[str] | None = None) -> int:
    """Run; the exit status."""
    line = parser()
    arguments = line.parse_args(argv)
    if arguments.env_file and arguments.url:
        line.error("--env-file is for the node of this machine: it goes without URL")
    try:
        surroundings = environment.read()
        if arguments.web is not None:
            from .web import serve

            return serve([environment.parse_node(text) for text in arguments.url], arguments)
        watched = _watched(arguments, surroundings)
    except ValueError as error:
        sys.stderr.write(f"streamdns-console: {error}\n")
        return 2
    if arguments.once or arguments.json:
        return _print(watched, arguments, plain=surroundings.plain)
    if not surroundings.browser and not (sys.stdin.isatty() and sys.stdout.isatty()):
        sys.stderr.write("streamdns-console: this is no terminal; --once prints the overview as text\n")
        return 2
    if not surroundings.browser:
        environment.forget_size()
    return _run(watched, arguments, surroundings)


def _watched(arguments: argparse.Namespace, surroundings: environment.Environment) -> _Watched:
    """The nodes that are named, or the one of this machine; raises ValueError with a sentence."""
    token = environment.read_token(arguments.token_file) if arguments.token_file else surroundings.token
    ca = arguments.ca or ""
    texts = arguments.url or [surroundings.node]
    env_file = arguments.env_file or environment.settings_file()
    if arguments.url or surroundings.named or not (env_file or surroundings.signs):
        return _Watched(urls=tuple(dict.fromkeys(map(environment.parse_node, texts))), token=token, ca=ca)
    from . import this_machine

    try:
        found = asyncio.run(this_machine.find(env_file))
    except ValueError as error:
        if arguments.env_file:
            raise
        return _Watched(urls=(environment.parse_node(surroundings.node),), token=token, ca=ca, problem=str(error))
    renew = None if token or not found.token else functools.partial(this_machine.fresh_token, env_file)
    return _Watched(
        urls=(environment.parse_node(found.url),), token=token or found.token, ca=ca or found.ca, renew=renew
    )


def _run(watched: _Watched, arguments: argparse.Namespace, surroundings: environment.Environment) -> int:
    # Until the screen is drawn there is no garbage worth looking for.
    gc.disable()
    from . import themes
    from .app import Console
    from .reader import LiveReader
    from .terminal import Driver

    few = surroundings.few_colours
    light = arguments.theme == "light"
    theme = (themes.LIGHT_16 if light else themes.DARK_16) if few else (themes.LIGHT if light else themes.DARK)

    async def run() -> None:
        reader = LiveReader(
            watched.urls,
            token=watched.token,
            ca=watched.ca,
            interval_s=arguments.interval,
            version=_version(),
            renew=watched.renew,
        )
        driver = None if surroundings.browser else Driver
        await Console(
            reader, theme=theme.name, plain=surroundings.plain, problem=watched.problem, driver=driver,
            drawn=_leave_modules_alone,
        ).run_async()

    asyncio.run(run())
    return 0


def _leave_modules_alone() -> None:
    """Look for garbage from now on, but not among all that was loaded: keys waited for that a tenth of a second."""
    gc.freeze()
    gc.enable()


def _print(watched: _Watched, arguments: argparse.Namespace, *, plain: bool) -> int:
    from . import once
    from .reader import read_once

    if watched.problem:
        sys.stderr.write(f"streamdns-console: {watched.problem}\n")
    try:
        snapshot = asyncio.run(
            read_once(
                watched.urls, token=watched.token, ca=watched.ca, version=_version(), seconds=arguments.interval
            )
        )
    except OSError as error:
        sys.stderr.write(f"streamdns-console: {error}\n")
        return 2
    encoding = (sys.stdout.encoding or "ascii").lower()
    unicode = "utf" in encoding
    if arguments.json:
        sys.stdout.write(once.as_json(snapshot, ascii_only=not unicode))
    else:
        width = shutil.get_terminal_size((once.WIDTH, 24)).columns if sys.stdout.isatty() else once.WIDTH
        text = once.as_text(snapshot, width=max(40, width), plain=plain or not unicode)
        sys.stdout.write(once.in_encoding(text, encoding))
    return once.exit_code(snapshot)


def parser() -> argparse.ArgumentParser:
    """Make the parser of the command line."""
    line = argparse.ArgumentParser(
        prog="streamdns-console",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Watches one or several streamdns nodes through their admin API.",
    )
    line.add_argument(
        "url",
        nargs="*",
        metavar="URL",
        help="the admin API of a node: http://HOST:PORT, https://HOST:PORT, HOST:PORT or unix:PATH",
    )
    line.add_argument("--env-file", metavar="FILE", help="settings of the server of this machine")
    line.add_argument("--token-file", metavar="FILE", help="a file that holds a token")
    line.add_argument("--ca", metavar="FILE", help="certificates (PEM) to trust for https instead of the system's")
    line.add_argument(
        "--interval", type=_seconds, default=1.0, metavar="SECONDS", help="how often nodes are asked (1; 0.2 to 60)"
    )
    line.add_argument("--theme", choices=("dark", "light"), default="dark", help="colours to begin with (dark)")
    what = line.add_mutually_exclusive_group()
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
    line.add_argument("--version", action="version", version=f"streamdns-console {_version()}")
    return line


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
