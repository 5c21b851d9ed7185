"""Defines the arguments of every command, and their help."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import NoReturn

from streamdns import __version__
from streamdns.commands import parser_access, parser_client

_MAX_TTL_S = 0x7FFFFFFF
_MAX_TIMESTAMP_MS = 2**63 - 1

_DESCRIPTION = """\
An authoritative DNS server whose zones are events in a log.

Settings come from the environment (DNS_ADDRESS, DNS_FILE_LOG, ...) and from --env-file; `streamdns settings` lists
them. Commands that read the view work beside a running server and without one."""

_EPILOG = """\
exit codes: 0 done, 1 failed, 2 wrong usage, 78 the configuration cannot be used

`streamdns COMMAND --help` tells more about a command."""

_SUMMARIES = {
    "run": "start the server",
    "check": "find every problem of the configuration",
    "settings": "list the settings, or their effective values",
    "publish": "append events to the log: set or delete RRsets",
    "import": "append the events that bring a zone file into the log",
    "export": "write a zone as a zone file",
    "delete-zone": "take a zone out of the log",
    "lookup": "show what the view holds at a name, and where it came from",
    "digest": "show digests and counts, or verify them",
    "quarantine": "list the events that were rejected",
    "conflicts": "list contradictions in the data",
    "rebuild": "fill a new view from the log while the old one serves",
    "resolve": "resolve a name as the server would, step by step",
    **parser_client.SUMMARIES,
    **parser_access.SUMMARIES,
    "version": "show the version",
}

_DETAILS = {
    "run": """\
Follow the log and answer DNS queries until SIGTERM or SIGINT. SIGHUP reads the settings again, and what can be taken
over while running is.""",
    "check": """\
List everything that is wrong with the configuration at once (exit 78), and what else is worth knowing: who holds the
view, whether the log is there, addresses that cannot be bound. Run it as the user that the server runs as.""",
    "settings": "Every setting with its meaning, default and allowed values.",
    "publish": """\
Append one event, which replaces one RRset as a whole: every CONTENT is one record of it. NAME is absolute, with or
without the trailing dot; so are names in CONTENT. Whatever the log would reject is refused. The log is that of
DNS_SOURCE: the file log or a topic of Kafka or Pulsar. Says where in the log the event is. With --wait it then waits
until the node of these settings, or of --node, and its DNS_PEERS answer with it; exit 1 where one does not in time.

With --json, append many: one event a line, {"key": "www.example.org.|A", "value": [...], "timestamp": ms} as in the
event format; timestamp may be absent. If a line is bad nothing is published at all, unless --skip-bad is given.""",
    "import": """\
Make events of the zone file ZONEFILE (RFC 1035 master file with $ORIGIN, $TTL, $INCLUDE and $GENERATE) and append
those that change something. Says how many RRsets are added, changed, deleted and unchanged, compared with all that is
in the log by now. Nothing is appended when anything in the file is wrong, unless --skip-bad is given. What belongs to
zones below this one is left alone, and said.""",
    "export": """\
Write a zone of the view as a zone file on standard output: SOA first, names absolute, canonical order, without what
belongs to zones below it. RRsets that are not answered (shadowed by or as a CNAME) are comments.""",
    "delete-zone": """\
Append a delete for every RRset of ZONE, that of the SOA first: from then on the zone is none of this server, and its
names are refused instead of denied. Lists what goes and asks, unless --yes is given. Zones below ZONE stay, and so do
the NS and DS at its top where the zone above is in the log, too: they are its delegation.""",
    "lookup": """\
Show the RRsets of NAME, or the one of TYPE, as they are in the view, with the event each came from: topic, partition,
position, timestamp and producer. Exit 1 where there is nothing.""",
    "digest": """\
Show the digest of the view and of its zones with their numbers of RRsets and records. Instances that have applied the
same events show the same digest.""",
    "quarantine": """\
List the events that were rejected, oldest first: when, where in the log, key and reason. An entry goes when the next
good event of its key comes. With --node that of another node, newest first.""",
    "conflicts": """\
List contradictions in the data: a CNAME beside other types, one RRset in several partitions, keys that are not spelt
canonically, zones that claim a name of the Internet, names with more records than are served.""",
    "rebuild": """\
Ask the server that holds DNS_PATHDB to fill a new view from the beginning of the log. The old view serves until the new
one is complete and takes its place in one step. With DNS_ADMIN_ADDRESS the command follows the rebuild to its end, and
shows how many RRsets were added, removed and changed: none, when the old view was right.

Where no server runs, the next start does the rebuild. The disk must have room for a second view. This needs permission
to write in the directory DNS_PATHDB. Interrupting the command does not end the rebuild.

A rebuilt view by which more would go away than DNS_SWAP_GUARD allows is held: it follows the log and waits. --accept
shows the zones that would go away, and how many RRsets, asks, and lets it take over; with --names every RRset. Should
more go away by then than was shown, nothing is swapped.""",
    "resolve": """\
Resolve NAME in this process, with the settings of the resolver and an empty cache: from the root servers down, or from
those that DNS_RESOLVER_ADDRESS and DNS_FORWARD_ZONES name. Zones of the view are answered from the view, where there is
one. DNS_RECURSION_ALLOW does not matter here. Exit 1 where there is no answer.

With --trace every query is shown with its response, and why the next one is sent. TYPE is A unless it is given.""",
    **parser_client.DETAILS,
    **parser_access.DETAILS,
    "version": "Show the version of streamdns.",
}

_EXAMPLES = {
    "run": ("streamdns run", "streamdns run --env-file /etc/streamdns.env"),
    "check": ("streamdns check --env-file /etc/streamdns.env",),
    "settings": ("streamdns settings", "streamdns settings --effective"),
    "publish": (
        "streamdns publish www.example.org A 192.0.2.1 192.0.2.2 --ttl 300",
        'streamdns publish example.org MX "10 mail.example.org."',
        'streamdns publish example.org TXT "v=spf1 mx -all"',
        "streamdns publish www.example.org A --delete",
        "streamdns publish example.org TXT -- -begins-with-a-dash",
        "streamdns publish --json events.jsonl",
        "streamdns publish www.example.org A 192.0.2.1 --topic zones",
        "streamdns publish _acme-challenge.example.org TXT TOKEN --wait",
    ),
    "import": (
        "streamdns import example.org.zone --origin example.org --dry-run",
        "streamdns import example.org.zone --origin example.org --replace",
    ),
    "export": ("streamdns export example.org > example.org.zone", "named-checkzone example.org example.org.zone"),
    "delete-zone": ("streamdns delete-zone example.org --dry-run", "streamdns delete-zone example.org --yes"),
    "lookup": ("streamdns lookup www.example.org", "streamdns lookup www.example.org A --candidates --json"),
    "digest": ("streamdns digest", "streamdns digest example.org", "streamdns digest --verify"),
    "quarantine": ("streamdns quarantine", "streamdns quarantine --payload",
                   "streamdns quarantine --node ns2.example.org:8054"),
    "conflicts": ("streamdns conflicts --json",),
    "rebuild": ("streamdns rebuild", "streamdns rebuild --no-wait", "streamdns rebuild --accept --names --dry-run"),
    "resolve": ("streamdns resolve www.example.org", "streamdns resolve www.example.org AAAA --trace"),
    **parser_client.EXAMPLES,
    **parser_access.EXAMPLES,
    "version": ("streamdns version",),
}


class _Parser(argparse.ArgumentParser):
    """A parser that reports wrong usage in one sentence."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse a command line; exits with 0 after help and with 2 for wrong usage."""
    parser, commands = parsers()
    args, stray = parser.parse_known_args(argv)
    command = commands[args.command]
    # argparse gives back positionals that stand behind an option, and those behind "--".
    behind = argv[argv.index("--") + 1 :] if "--" in argv else []
    stray = [word for word in stray if word != "--"]
    unknown = [word for word in stray if word.startswith("-") and word != "-" and word not in behind]
    if unknown or (stray and args.command != "publish"):
        command.error(f"{(unknown or stray)[0]} is not an option or argument of it")
    if args.command == "publish":
        args.words += stray
        _check_publish(command, args)
    if args.command == "rebuild" and not args.accept and (args.names or args.dry_run or args.yes):
        command.error("--names, --dry-run and --yes go with --accept")
    if args.command == "journal":
        parser_client.check(command, args)
    if args.command in parser_access.SUMMARIES:
        parser_access.check(command, args)
    return args


def completion(shell: str) -> str:
    """Return the completion for a shell."""
    from streamdns.commands.completion import script

    return script(shell, *parsers(), _SUMMARIES)


def parsers() -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    """Make the parser of the command line, and those of its commands by their names."""
    layout = argparse.RawDescriptionHelpFormatter
    parser = _Parser(
        prog="streamdns", description=_DESCRIPTION, epilog=_EPILOG, formatter_class=layout, allow_abbrev=False
    )
    parser.add_argument("--env-file", metavar="FILE", help="read settings from FILE too (NAME=VALUE lines); the "
                        "environment wins; may stand behind the command")
    parser.add_argument("--version", action="version", version=f"streamdns {__version__}", help="show the version")
    added = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, title="commands")
    commands: dict[str, argparse.ArgumentParser] = {}
    for name, summary in _SUMMARIES.items():
        examples = "examples:\n" + "\n".join(f"  {example}" for example in _EXAMPLES[name])
        usage = "streamdns publish [options] NAME TYPE CONTENT...\n       streamdns publish [options] --json FILE"
        commands[name] = command = added.add_parser(
            name, help=summary, description=_DETAILS[name], epilog=examples, formatter_class=layout, allow_abbrev=False,
            usage=usage if name == "publish" else None,
        )
        # Suppressed, for a default here would overwrite what stands before the command.
        command.add_argument(
            "--env-file", metavar="FILE", default=argparse.SUPPRESS, help="read settings from FILE too"
        )
    _add_writing(commands)
    _add_reading(commands)
    parser_client.add(commands)
    parser_access.add(commands)
    return parser, commands


def _add_writing(commands: dict[str, argparse.ArgumentParser]) -> None:
    publish = commands["publish"]
    publish.add_argument("words", nargs="*", metavar="NAME TYPE CONTENT", help="the RRset; CONTENT is one record in "
                         "presentation format, in quotes where it has spaces")
    publish.add_argument("--json", metavar="FILE", help="events from FILE, or from standard input for -")
    publish.add_argument("--skip-bad", action="store_true", help="with --json: publish the good lines all the same")
    publish.add_argument("--ttl", metavar="SECONDS", type=_number(_MAX_TTL_S), help="TTL of the records (default: none "
                         "in the event, so that each server uses its DNS_DEFAULT_TTL)")
    publish.add_argument("--delete", action="store_true", help="delete the RRset: append a tombstone")
    publish.add_argument("--timestamp", metavar="MS", type=_number(_MAX_TIMESTAMP_MS), help="timestamp of the event in "
                         "milliseconds since 1970 (default: now)")
    importing = commands["import"]
    importing.add_argument("zonefile", metavar="ZONEFILE", help="a zone file")
    importing.add_argument("--origin", metavar="NAME", required=True, help="the zone's name")
    importing.add_argument("--replace", action="store_true", help="delete RRsets of the zone that are not in the file")
    importing.add_argument("--dry-run", action="store_true", help="list the changes and append nothing")
    importing.add_argument("--skip-bad", action="store_true", help="leave bad records out and import the others")
    deleting = commands["delete-zone"]
    deleting.add_argument("zone", metavar="ZONE", help="the zone's name")
    deleting.add_argument("--yes", action="store_true", help="do not ask")
    deleting.add_argument("--dry-run", action="store_true", help="list what would go and append nothing")
    deleting.add_argument("--with-delegation", action="store_true", help="take the delegation in the zone above, too")
    deleting.add_argument("--topic", metavar="TOPIC", help="the Kafka topic to write to, as for import")
    for command in (publish, importing):
        command.add_argument(
            "--topic", metavar="TOPIC", help="the Kafka topic to write to, one of DNS_KAFKA_TOPICS; needed only where "
            "there are several"
        )
        command.add_argument(
            "--producer", metavar="NAME", help="who makes the change, kept with the records (default: user@host)"
        )


def _add_reading(commands: dict[str, argparse.ArgumentParser]) -> None:
    commands["settings"].add_argument("--effective", action="store_true", help="the values in effect, secrets as ***")
    commands["export"].add_argument("zone", metavar="ZONE", help="a zone of the view")
    lookup = commands["lookup"]
    lookup.add_argument("name", metavar="NAME", help="an owner name, taken literally (*.example.org is the wildcard)")
    lookup.add_argument("type", metavar="TYPE", nargs="?", help="a record type (default: all)")
    lookup.add_argument("--candidates", action="store_true", help="also the candidate of each partition, deletes too")
    digest = commands["digest"]
    digest.add_argument("zone", metavar="ZONE", nargs="?", help="a zone of the view (default: the view and all zones)")
    digest.add_argument("--verify", action="store_true", help="recompute all digests, list differences (exit 1)")
    commands["quarantine"].add_argument("--payload", action="store_true", help="also the beginning of each payload")
    rebuild = commands["rebuild"]
    rebuild.add_argument("--no-wait", action="store_true", help="only ask, and do not follow it")
    rebuild.add_argument("--accept", action="store_true", help="let a rebuilt view that is held take over: show what "
                         "goes away by it, and ask")
    rebuild.add_argument("--names", action="store_true", help="with --accept: list every RRset that goes away")
    rebuild.add_argument("--dry-run", action="store_true", help="with --accept: only show it")
    rebuild.add_argument("--yes", action="store_true", help="with --accept: do not ask")
    resolve = commands["resolve"]
    resolve.add_argument("name", metavar="NAME", help="a domain name")
    resolve.add_argument("type", metavar="TYPE", nargs="?", default="A", help="a record type (default: A)")
    resolve.add_argument("--trace", action="store_true", help="show every step and its reason")
    resolve.add_argument("--dnssec", action="store_true", help="ask for DNSSEC records too, and show them")
    commands["check"].add_argument(
        "--no-bind", action="store_true", help="leave addresses alone: a server that is replaced holds them"
    )
    for name in ("check", "settings", "export", "lookup", "digest", "quarantine", "conflicts", "version"):
        commands[name].add_argument("--json", action="store_true", help="write JSON")


def _number(most: int) -> Callable[[str], int]:
    def parse_number(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= most):
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to {most}")
        return int(text)

    return parse_number


def _check_publish(command: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    if args.json is not None:
        single = args.delete or args.ttl is not None or args.producer is not None or args.timestamp is not None
        if args.words or single:
            command.error("--json takes everything from its file: no NAME, --ttl, --delete, --producer or --timestamp")
        return
    if args.skip_bad:
        command.error("--skip-bad goes with --json")
    if len(args.words) < 2:
        command.error("NAME and TYPE are missing" if not args.words else "TYPE is missing")
    if args.delete and (len(args.words) > 2 or args.ttl is not None):
        command.error("--delete deletes the whole RRset: no CONTENT and no --ttl")
    if not args.delete and len(args.words) == 2:
        command.error("CONTENT is missing (or --delete)")
