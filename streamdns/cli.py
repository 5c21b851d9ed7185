"""The command line: runs the chosen command, and turns each failure into one sentence and an exit code.

A command is imported when it is chosen: `version` needs neither gevent nor LMDB.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from streamdns import __version__
from streamdns.commands import output, parser
from streamdns.errors import ConfigError, StreamDNSError, ViewTooNew

if TYPE_CHECKING:
    from streamdns.settings import Settings

#: The commands that ask a node's admin API and show its answer.
_NODE_COMMANDS = ("status", "zones", "records", "search", "consumer", "journal", "nodes")
EXIT_FAILED = 1
EXIT_CONFIG = 78  # EX_CONFIG of sysexits.h, which systemd knows by name
EXIT_INTERRUPTED = 130


def main(argv: Sequence[str], *, before_run: Callable[[], None] = lambda: None) -> int:
    """Run one command and return its exit code; `before_run` is called before the server's modules are imported."""
    try:
        code = _dispatch(parser.parse(argv), before_run)
        sys.stdout.flush()
        return code
    except ConfigError as err:
        for problem in err.problems:
            output.note(problem)
        return EXIT_CONFIG
    except ViewTooNew as err:
        # Nor does this pass by itself: systemd need not try again.
        output.note(str(err))
        return EXIT_CONFIG
    except StreamDNSError as err:
        output.note(str(err))
    except BrokenPipeError:
        _drop_output()
    except OSError as err:
        _drop_output()
        output.note(f"{err.filename}: {err.strerror}" if err.filename else str(err.strerror or err))
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    return EXIT_FAILED


def _drop_output() -> None:
    """Redirect a broken standard output to /dev/null, so that the interpreter's flush at exit does not complain."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _dispatch(args: argparse.Namespace, before_run: Callable[[], None]) -> int:
    if args.command == "version":
        if args.json:
            output.print_json({"version": __version__})
        else:
            print(f"streamdns {__version__}")
        return 0
    if args.command == "completion":
        print(parser.completion(args.shell), end="")
        return 0
    if args.command == "run":
        before_run()
    from streamdns import settings as loading

    if args.command == "settings" and not args.effective:
        return _reference(args)

    def load() -> loading.Settings:
        return loading.from_process(args.env_file)

    if args.command == "check":
        from streamdns.commands import check

        return check.run(args, load)
    settings = load()
    if args.command == "run":
        from streamdns import app

        return app.run(settings, load)
    for warning in settings.warnings:
        output.note(f"warning: {warning}")
    if args.command == "settings":
        effective = settings.masked()
        if args.json:
            output.print_json(effective)
        else:
            output.print_lines(f"{name}={output.printable(value)}" for name, value in effective.items())
        return 0
    return _command(args, settings, now_ms=time.time_ns() // 1_000_000)


def _reference(args: argparse.Namespace) -> int:
    from streamdns.settings import SETTINGS, reference

    if not args.json:
        print(reference(), end="")
        return 0
    output.print_json([
        {
            "name": row.name, "description": row.description, "default": row.default or None,
            "allowed": row.allowed, "unset_means": row.unset_means or None, "since": row.since,
            "secret": row.secret, "reload": row.reload,
        }
        for row in SETTINGS
    ])
    return 0


def _command(args: argparse.Namespace, settings: Settings, *, now_ms: int) -> int:
    """Run a command that works on the log, the view or a node."""
    if args.command == "publish":
        from streamdns.commands import publish

        return publish.run(args, settings, now_ms=now_ms)
    if args.command == "import":
        from streamdns.commands import import_zone

        return import_zone.run(args, settings, now_ms=now_ms)
    if args.command == "delete-zone":
        from streamdns.commands import delete_zone

        return delete_zone.run(args, settings, now_ms=now_ms)
    if args.command == "export":
        from streamdns.commands import export_zone

        return export_zone.run(args, settings)
    if args.command == "rebuild":
        from streamdns.commands import rebuild

        return rebuild.run(args, settings, now_ms=now_ms)
    if args.command == "resolve":
        from streamdns.commands import resolve

        return resolve.run(args, settings)
    if args.command == "journal" and args.undo:
        from streamdns.commands import undo

        return undo.run(args, settings, now_ms=now_ms)
    if args.command in _NODE_COMMANDS or (args.command == "quarantine" and args.node):
        from streamdns.commands import node

        return node.run(args, settings)
    if args.command == "wait":
        from streamdns.commands import wait

        return wait.run(args, settings)
    if args.command == "endpoint":
        from streamdns.commands import endpoint

        return endpoint.run(args, settings)
    if args.command == "compare":
        from streamdns.commands import compare

        return compare.run(args, settings)
    if args.command in ("user", "token"):
        from streamdns.commands import access

        return access.run_user(args, settings) if args.command == "user" else access.run_token(
            args, settings, now_ms=now_ms
        )
    from streamdns.commands import inspect

    looks: dict[str, Callable[[argparse.Namespace, Settings], int]] = {
        "lookup": inspect.lookup, "digest": inspect.digest, "quarantine": inspect.quarantine,
        "conflicts": inspect.conflicts,
    }
    return looks[args.command](args, settings)
