"""Writes the manual pages from the tables that the commands themselves are made of: manpages.py DIRECTORY."""

from __future__ import annotations

import argparse
import datetime
import os
import pathlib
import re
import sys
from collections.abc import Iterable, Iterator

from streamdns_console import cli as console

import streamdns
from streamdns.commands import parser as commands
from streamdns.settings.row import Setting
from streamdns.settings.table import SETTINGS

_CONFIGURATION = "/etc/streamdns/streamdns.conf"


def _text(words: str) -> str:
    """Escape what roff would take for something else."""
    escaped = words.replace("\\", "\\e").replace("-", "\\-").replace("`", "\\(ga").replace("'", "\\(aq")
    return re.sub(r"(?m)^\.", r"\\&.", escaped)


def _paragraphs(words: str) -> Iterator[str]:
    """Paragraphs, which are parted by empty lines; indented ones are kept as they are."""
    for paragraph in re.split(r"\n\s*\n", words.strip("\n")):
        if paragraph.startswith(" "):
            yield f".PP\n.RS 4\n.nf\n{_text(paragraph)}\n.fi\n.RE"
        else:
            yield f".PP\n{_text(paragraph)}"


def _head(name: str, section: int, summary: str) -> Iterator[str]:
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH", "0"))
    date = datetime.datetime.fromtimestamp(epoch, datetime.UTC).strftime("%Y-%m-%d")
    yield f'.TH {name.upper()} {section} {date} "streamdns {streamdns.__version__}" "streamdns"'
    yield f".SH NAME\n{_text(name)} \\- {_text(summary)}"


def _option(action: argparse.Action, parser: argparse.ArgumentParser) -> str:
    formatter = parser._get_formatter()  # noqa: SLF001 - argparse has no other way to ask
    names = formatter._format_action_invocation(action)  # noqa: SLF001
    meaning = formatter._expand_help(action) if action.help else ""  # noqa: SLF001
    return f".TP\n.B {_text(names)}\n{_text(meaning)}"


def _options(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:  # noqa: SLF001
        if not isinstance(action, (argparse._HelpAction, argparse._SubParsersAction)):  # noqa: SLF001
            yield _option(action, parser)


def _usage(parser: argparse.ArgumentParser) -> str:
    words = " ".join(parser.format_usage().split()).removeprefix("usage: ")
    name, _, rest = words.partition(" ")
    return f".B {_text(name)}\n{_text(rest)}"


def _command(name: str, command: argparse.ArgumentParser) -> Iterator[str]:
    yield f".SS {_text(name)}\n.PP\n{_text(' '.join(command.format_usage().split()).removeprefix('usage: '))}"
    yield from _paragraphs(command.description or "")
    yield from _options(command)
    title, _, examples = (command.epilog or "").partition("\n")
    if examples:
        yield f".PP\n{_text(title.capitalize())}"
        yield from _paragraphs(examples)


def server_page() -> str:
    """The page streamdns(1): every command with its options."""
    parser, each = commands.parsers()
    lines = [*_head("streamdns", 1, "an authoritative DNS server whose zones are events in a log"),
             f".SH SYNOPSIS\n{_usage(parser)}", ".SH DESCRIPTION", *_paragraphs(parser.description or ""),
             ".SH OPTIONS", *_options(parser), ".SH COMMANDS"]
    for name, command in each.items():
        lines += _command(name, command)
    lines += [
        ".SH SIGNALS\n.TP\n.B SIGTERM, SIGINT\nAnswer what has come, and end.",
        ".TP\n.B SIGHUP\nRead the settings again.",
        ".SH EXIT STATUS", *_paragraphs((parser.epilog or "").partition("\n")[0].removeprefix("exit codes: ")),
        f".SH FILES\n.TP\n.I {_CONFIGURATION}\nThe settings: see\n.BR streamdns.conf (5).",
        ".TP\n.I /var/lib/streamdns\nThe view, which can be made anew from the log, and the file log, which cannot.",
        ".SH SEE ALSO\n.BR streamdns.conf (5),\n.BR streamdns\\-console (1)",
    ]
    return "\n".join(lines) + "\n"


def _setting(setting: Setting) -> str:
    default = setting.default or f"unset: {setting.unset_means}"
    notes = [
        f"Default: {default}.", f"Allowed: {setting.allowed}.",
        *([f"An empty value: {setting.empty}."] if setting.empty else []),
        *(["Secret: never shown or logged."] if setting.secret else []),
        *(["Read again at a reload."] if setting.reload else []),
    ]
    return f".TP\n.B {_text(setting.name)}\n{_text(setting.description)}\n.br\n{_text(' '.join(notes))}"


def settings_page() -> str:
    """The page streamdns.conf(5): every setting."""
    lines = [
        *_head("streamdns.conf", 5, "the settings of streamdns"),
        f".SH SYNOPSIS\n.I {_CONFIGURATION}",
        ".SH DESCRIPTION",
        *_paragraphs(
            "Lines of NAME=VALUE, in the syntax of systemd's EnvironmentFile: comments begin with # or ;, values may "
            "stand in single or double quotes, a backslash at the end of a line continues it, nothing is expanded. An "
            "empty value counts as unset. The environment wins over the file.\n\n"
            "An unknown DNS_* name is a warning, a value that is not allowed is an error: "
            "`streamdns check --env-file FILE` lists all of them at once, and a server that is started with one ends "
            "with status 78."
        ),
        ".SH SETTINGS",
        *(_setting(setting) for setting in SETTINGS),
        ".SH SEE ALSO\n.BR streamdns (1)",
    ]
    return "\n".join(lines) + "\n"


def console_page() -> str:
    """The page streamdns-console(1)."""
    parser = console.parser()
    lines = [
        *_head("streamdns-console", 1, "watch streamdns nodes from a terminal"),
        f".SH SYNOPSIS\n{_usage(parser)}", ".SH DESCRIPTION", *_paragraphs(parser.description or ""),
        ".SH OPTIONS", *_options(parser), ".SH NOTES", *_paragraphs(parser.epilog or ""),
        ".SH SEE ALSO\n.BR streamdns (1)",
    ]
    return "\n".join(lines) + "\n"


def main(arguments: Iterable[str]) -> None:
    """Write the three pages."""
    (directory,) = arguments
    place = pathlib.Path(directory)
    place.mkdir(parents=True, exist_ok=True)
    pages = {"streamdns.1": server_page, "streamdns.conf.5": settings_page, "streamdns-console.1": console_page}
    for name, page in pages.items():
        (place / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
