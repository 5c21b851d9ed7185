"""Defines the arguments of `user` and `token`, and their help."""

from __future__ import annotations

import argparse
import re

from streamdns.commands.parser_client import add_node

_EXPIRES = re.compile(r"([1-9][0-9]{0,8})([smhd])")
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_MOST_S = 3660 * 86400

SUMMARIES = {
    "user": "add, list and remove users of the admin API",
    "token": "create, list and revoke tokens for the admin API",
}

DETAILS = {
    "user": """\
Add, list and remove users in the file DNS_ADMIN_USERS; a server that runs takes changes over at once. `add` on a name
that is there gives it another password and role, and ends what it had signed in. The password is asked for on a
terminal, and is the first line of standard input elsewhere; it is never an argument.

A viewer may read data and state, an operator also the settings, and may flush caches; an admin may do everything.""",
    "token": """\
Make a token for a program, which sends it as `Authorization: Bearer TOKEN`; with --zone it sees only these zones and
what is below them. The token goes to standard output, its id and end to standard error; the token is not stored. It is
signed with the first of DNS_ADMIN_JWTKEYS that can, or with DNS_ADMIN_JWTSECRET.

`revoke` takes an id, or - for a token on standard input, and writes it into DNS_ADMIN_REVOKED: a server that runs
refuses it from then on. It asks the node of these settings (or --node) whether it does, and its DNS_PEERS, each of
which has a list of its own; exit 1 where the node does not. `list` shows what is revoked.""",
}

EXAMPLES = {
    "user": ("streamdns user add alice --role operator", "streamdns user list", "streamdns user remove alice"),
    "token": (
        "streamdns token create --role viewer --zone example.org. --expires 90d --name ci",
        "streamdns token revoke 5f0c2a9be1d84c7712a0b3de",
        "streamdns token revoke - < token.txt",
    ),
}


def add(commands: dict[str, argparse.ArgumentParser]) -> None:
    """Add the arguments of both commands to their parsers."""
    user = commands["user"]
    user.add_argument("action", choices=("add", "list", "remove"), help="what to do")
    user.add_argument("name", nargs="?", metavar="NAME", help="the user (add, remove)")
    user.add_argument("--role", choices=("viewer", "operator", "admin"), help="what the user may do (add)")
    token = commands["token"]
    token.add_argument("action", choices=("create", "revoke", "list"), help="what to do")
    token.add_argument("token", nargs="?", metavar="ID", help="the id of a token, or - for a token on standard input "
                       "(revoke)")
    token.add_argument("--role", choices=("viewer", "operator", "admin"), help="what its bearer may do (create)")
    token.add_argument("--zone", action="append", metavar="ZONE", help="only what is at or below ZONE; may be given "
                       "again (create)")
    token.add_argument("--expires", type=_seconds, metavar="TIME", help="when it ends: 90d, 12h, 30m or 60s from now "
                       "(create; default: 90d)")
    token.add_argument("--name", metavar="NAME", help="who will have it, for logs (create; default: token)")
    add_node(token)
    for command in (user, token):
        command.add_argument("--json", action="store_true", help="write JSON")


def check(command: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Refuse arguments that do not go together; exits with 2."""
    if args.command == "user":
        if (args.name is None) != (args.action == "list"):
            command.error("NAME is missing" if args.name is None else "list takes no NAME")
        if (args.role is None) == (args.action == "add"):
            command.error("--role is missing" if args.action == "add" else "--role goes with add")
        return
    if (args.token is None) == (args.action == "revoke"):
        command.error("ID is missing" if args.token is None else f"{args.action} takes no ID")
    if args.action == "create" and (args.node or args.token_file or args.ca):
        command.error("--node, --token-file and --ca go with revoke and list")
    if args.action == "create":
        if args.role is None:
            command.error("--role is missing")
    elif args.role or args.zone or args.expires or args.name:
        command.error("--role, --zone, --expires and --name go with create")


def _seconds(text: str) -> int:
    found = _EXPIRES.fullmatch(text)
    if found is None or int(found[1]) * _UNIT_S[found[2]] > _MOST_S:
        raise argparse.ArgumentTypeError(f"{text!r} is no time such as 90d, 12h, 30m or 60s, of at most ten years")
    return int(found[1]) * _UNIT_S[found[2]]
