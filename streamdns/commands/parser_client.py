"""Defines the arguments of the commands that ask a node, and their help."""

from __future__ import annotations

import argparse

from streamdns.events.message_id import position_of

SUMMARIES = {
    "status": "show what a node is doing",
    "zones": "list the zones of a node, or show one",
    "records": "list the records of a zone, with where each came from",
    "search": "search names and records",
    "consumer": "show the log's source, positions and lag",
    "journal": "list the last changes, or follow them",
    "wait": "wait until nodes answer with an event",
    "nodes": "show this node and its peers, compared",
    "compare": "find the names at which two nodes differ",
    "endpoint": "show which node is asked, for other programs",
    "completion": "write the completion for a shell",
}

_ASKS = """\


It asks the admin API: of --node, of STREAMDNS_NODE, or else of the node with these settings (DNS_ADMIN_ADDRESS). The
token is that of --token-file or of STREAMDNS_TOKEN; without one, these settings sign one where they have a key."""

DETAILS = {
    "status": "Show what a node is doing and how far it is. Exit 1 where it should get no queries." + _ASKS,
    "zones": "List the zones of a node with serial, counts, last change and digest, or show all of one ZONE." + _ASKS,
    "records": "List the records of a ZONE, or of one NAME in it. Exit 1 where there are none." + _ASKS,
    "search": """\
Find RRsets: TEXT is a part of the name, --glob a pattern for all of it with * and ?, --content a part of a record; all
without regard to case, and all that are given must hold. Exit 1 where nothing is found.""" + _ASKS,
    "consumer": "Show where the log comes from and how far each partition is; while the view is filled, how long that "
                "may still take." + _ASKS,
    "journal": """\
List the last changes, newest first, with the records before and after. --follow shows changes as they are applied,
until Ctrl-C, and goes on where it was when the connection is lost.""" + _ASKS + """

With --undo, append the events that put back what the changes since TIME made of the data, those that --until, --name,
--zone and --producer select: what was deleted is set again, what was new is deleted. It reads the journal of the view
in DNS_PATHDB and the log of DNS_SOURCE, asks no node, shows what it would do, and asks. What was changed since by
others, was too large for the journal, or is older than it is left alone, and said; then the exit code is 1.""",
    "wait": """\
Return as soon as the node has applied an event and answers with it: the one at --offset of a partition, or the one that
made the RRset NAME TYPE be there (with the record CONTENT, where it is given), or with --gone not be there. With --all
it waits for the nodes of DNS_PEERS, too, and names those that lag. Exit 1 when the time is over.""" + _ASKS,
    "nodes": "Show the node and those of its DNS_PEERS: how far they are, and whether they hold the same data. Exit 1 "
             "where one does not, or cannot be asked." + _ASKS,
    "compare": """\
Compare the node with another one, NODE: first the digests of all zones, then the records of the zones whose digests
differ, page by page. Shows every RRset that differs and exits with 1 where there is one.""" + _ASKS,
    "endpoint": """\
Show where the commands above ask, without asking. With --json also the token: an admin's for an hour, where these
settings sign one. streamdns-console finds the node of its machine in this way.""",
    "completion": """\
Write the completion of commands, options and files on standard output. Put it where the shell looks for it: for bash
into bash-completion's directory, for zsh as _streamdns into a directory of $fpath, for fish into its completions.""",
}

#: What appends events, and may wait until they are applied.
_PUBLISHING = ("publish", "import", "delete-zone")

EXAMPLES = {
    "status": ("streamdns status", "streamdns status --node https://ns2.example.org:8054 --token-file token"),
    "zones": ("streamdns zones", "streamdns zones example.org", "streamdns zones --below example.org --json"),
    "records": ("streamdns records example.org", "streamdns records example.org www.example.org"),
    "search": ("streamdns search www", "streamdns search --glob '*.dev.example.org' --type A",
               "streamdns search --content 192.0.2.1 --zone example.org"),
    "consumer": ("streamdns consumer",),
    "journal": ("streamdns journal --zone example.org", "streamdns journal --follow",
                "streamdns journal --since 2026-01-31T12:00:00Z --producer deployd",
                "streamdns journal --since 2026-01-31T12:00:00Z --undo --dry-run"),
    "wait": ("streamdns wait www.example.org A 192.0.2.1 --all",
             "streamdns wait _acme-challenge.example.org TXT --gone",
             "streamdns wait --partition 0 --offset 3831 --timeout 10",
             "streamdns wait --partition 2 --offset 27:1034:5"),
    "nodes": ("streamdns nodes",),
    "compare": ("streamdns compare ns2.example.org:8054",),
    "endpoint": ("streamdns endpoint", "streamdns endpoint --env-file /etc/streamdns/streamdns.conf --json"),
    "completion": ("streamdns completion bash > /etc/bash_completion.d/streamdns",
                   "streamdns completion zsh > ~/.zfunc/_streamdns",
                   "streamdns completion fish > ~/.config/fish/completions/streamdns.fish"),
}


def add(commands: dict[str, argparse.ArgumentParser]) -> None:
    """Add the arguments of these commands to their parsers."""
    for name in ("status", "zones", "records", "search", "consumer", "journal", "wait", "nodes", "compare",
                 "endpoint", "quarantine", *_PUBLISHING):
        add_node(commands[name])
        if name not in ("quarantine", *_PUBLISHING):
            commands[name].add_argument("--json", action="store_true", help="write JSON")
    zones = commands["zones"]
    zones.add_argument("zone", metavar="ZONE", nargs="?", help="one zone")
    zones.add_argument("--below", metavar="NAME", help="only zones at or below NAME")
    records = commands["records"]
    records.add_argument("zone", metavar="ZONE", help="a zone")
    records.add_argument("name", metavar="NAME", nargs="?", help="a name of the zone (default: all)")
    search = commands["search"]
    search.add_argument("text", metavar="TEXT", nargs="?", help="a part of the name")
    search.add_argument("--glob", metavar="PATTERN", help="a pattern for all of the name, with * and ?")
    search.add_argument("--content", metavar="TEXT", help="a part of a record")
    search.add_argument("--zone", metavar="NAME", help="only at or below NAME")
    for command in (records, search):
        command.add_argument("--type", metavar="TYPE", type=str.upper, help="only RRsets of TYPE")
    journal = commands["journal"]
    journal.add_argument("--follow", action="store_true", help="show changes as they are applied")
    journal.add_argument("--name", metavar="NAME", help="only changes of NAME")
    journal.add_argument("--zone", metavar="NAME", help="only changes at or below NAME")
    journal.add_argument("--producer", metavar="NAME", help="only changes by this producer")
    journal.add_argument("--since", metavar="TIME", help="not before TIME: ISO 8601, or milliseconds since 1970")
    journal.add_argument("--undo", action="store_true", help="append events that put back what changed since --since")
    journal.add_argument("--until", metavar="TIME", help="with --undo: only changes up to TIME")
    journal.add_argument("--dry-run", action="store_true", help="with --undo: list what would be put back")
    journal.add_argument("--yes", action="store_true", help="with --undo: do not ask")
    for command, default in ((zones, None), (records, None), (search, None), (journal, 20)):
        command.add_argument("--limit", metavar="NUMBER", type=_number, default=default,
                             help=f"so many at the most (default: {default or 'all'})")
    _add_waiting(commands)
    commands["compare"].add_argument("other", metavar="NODE", help="the other node: HOST:PORT, a URL, or unix:PATH")
    commands["compare"].add_argument("--all", action="store_true", help="compare the records of every zone")
    commands["completion"].add_argument("shell", choices=("bash", "zsh", "fish"), help="the shell")


def check(command: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Refuse options of `journal` that do not go together."""
    if not args.undo:
        if args.until or args.dry_run or args.yes:
            command.error("--until, --dry-run and --yes go with --undo")
        return
    if args.since is None:
        command.error("--undo needs --since: where the span begins that is put back")
    if args.follow or args.json or args.node:
        command.error("--undo works on the view and the log of these settings: no --follow, --json or --node")


def _add_waiting(commands: dict[str, argparse.ArgumentParser]) -> None:
    wait = commands["wait"]
    wait.add_argument("name", metavar="NAME", nargs="?", help="an owner name")
    wait.add_argument("type", metavar="TYPE", nargs="?", help="a record type")
    wait.add_argument("content", metavar="CONTENT", nargs="?", help="a record in presentation format")
    wait.add_argument("--gone", action="store_true", help="wait until it is not there")
    wait.add_argument("--topic", metavar="TOPIC", help="the topic, where there are several")
    wait.add_argument("--partition", metavar="NUMBER", type=_number, default=0, help="the partition (default: 0)")
    wait.add_argument("--offset", metavar="POSITION", type=_position,
                      help="where the event stands in it; of Pulsar also the message id, as 27:1034:5")
    wait.add_argument("--timeout", metavar="SECONDS", type=_seconds, default=30.0, help="how long (default: 30)")
    wait.add_argument("--all", action="store_true", help="on the nodes of DNS_PEERS, too")
    for name in _PUBLISHING:
        commands[name].add_argument("--wait", action="store_true",
                                    help="wait until the node and its DNS_PEERS have applied it")
        commands[name].add_argument("--wait-timeout", metavar="SECONDS", type=_seconds, default=30.0,
                                    help="how long --wait waits (default: 30)")


def add_node(command: argparse.ArgumentParser) -> None:
    """Add the arguments that say which node is asked, and how."""
    command.add_argument("--node", metavar="NODE", help="the node to ask: HOST:PORT, a URL, or unix:PATH")
    command.add_argument("--token-file", metavar="FILE", help="a file that holds the token for it")
    command.add_argument("--ca", metavar="FILE", help="certificates (PEM) to trust for https, instead of the system's")


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return int(text)


def _position(text: str) -> str:
    try:
        position_of(text, pulsar=True)  # Whether the log is Pulsar's the node knows, which may be another one's.
    except ValueError as err:
        raise argparse.ArgumentTypeError(str(err)) from None
    return text


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 300:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 0 to 300")
    return seconds
