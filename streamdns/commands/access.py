"""`streamdns user` and `streamdns token`: manages the users and tokens of the admin API."""

from __future__ import annotations

import argparse
import dataclasses
import getpass
import os
import sys
from collections.abc import Callable, Mapping

from streamdns.admin.access import users
from streamdns.admin.access.files import Watched
from streamdns.admin.access.revoked import Entry, Revoked
from streamdns.admin.access.tokens import MAX_TOKEN, BadToken, keyring_of
from streamdns.admin.access.users import User, role_of
from streamdns.admin.fleet.client import Client, NodeError
from streamdns.commands import CommandError
from streamdns.commands.caller import user_at_host
from streamdns.commands.endpoint import client_of
from streamdns.commands.output import moment, note, print_json, print_lines, printable
from streamdns.dns import name
from streamdns.runtime.owner import acting_as_owner
from streamdns.settings import Settings
from streamdns.settings.admin import MAX_PASSWORD_BYTES, MIN_PASSWORD, parse_user

_DEFAULT_S = 90 * 86400
#: An id alone does not say when its token ends; none lives longer.
_LONGEST_S = 3660 * 86400
_MOST_TOKEN = 8192
_NODE_S, _PEER_S = 5.0, 2.0


def run_user(args: argparse.Namespace, settings: Settings) -> int:
    """Add, list or remove users; raises CommandError and OSError."""
    path = settings.admin_users
    if not path:
        raise CommandError("DNS_ADMIN_USERS names no file for users")
    if args.action == "list":
        return _list_users(path, as_json=args.json)
    if args.action == "remove":
        with acting_as_owner(os.path.dirname(path) or "."):
            if not users.remove(path, args.name):
                raise CommandError(f"there is no user {args.name} in {path}")
        note(f"{args.name} may sign in no more")
        return 0
    try:
        parse_user(args.name)
    except ValueError as error:
        raise CommandError(f"the name {args.name} {error}") from error
    password = read_password()
    with acting_as_owner(os.path.dirname(path) or "."):
        new = users.add(path, args.name, role=role_of(args.role), password=password)
    note(f"{args.name} may sign in as {args.role}" if new else f"{args.name} has a new password and is {args.role}")
    return 0


def read_password(ask: Callable[[str], str] = getpass.getpass) -> str:
    """Read a password: twice from the terminal, or the first line of standard input; raises CommandError."""
    if sys.stdin.isatty():
        password = ask("password: ")
        if ask("again: ") != password:
            raise CommandError("the two passwords differ")
    else:
        password = sys.stdin.readline(MAX_PASSWORD_BYTES + 2).rstrip("\r\n")
    if len(password) < MIN_PASSWORD or len(password.encode("utf-8", "surrogatepass")) > MAX_PASSWORD_BYTES:
        raise CommandError(f"a password has at least {MIN_PASSWORD} characters and at most {MAX_PASSWORD_BYTES} octets")
    return password


def _list_users(path: str, *, as_json: bool) -> int:
    try:
        found: Mapping[str, User] = Watched(path, users.parse).get()
    except ValueError as error:
        raise CommandError(f"{path}: {error}") from error
    listed = [(user.name, user.role.name.lower()) for user in found.values()]
    if as_json:
        print_json([{"name": each, "role": role} for each, role in listed])
    else:
        print_lines(f"{printable(each)} {role}" for each, role in listed)
    return 0


def run_token(args: argparse.Namespace, settings: Settings, *, now_ms: int) -> int:
    """Create, revoke or list tokens; raises CommandError, ConfigError and OSError."""
    if args.action == "create":
        return _create(args, settings, now_ms=now_ms)
    path = _list_of(args, settings)
    revoked = Revoked(path)
    try:
        if args.action == "list":
            entries = revoked.entries()
            if args.json:
                print_json([{"id": each.jti, "ends": each.exp, "revoked": each.at, "by": each.by} for each in entries])
            else:
                print_lines(f"{printable(each.jti)} revoked {moment(each.at * 1000)} by {printable(each.by)}"
                            for each in entries)
            return 0
        jti, exp = _which(args.token, settings, now_s=now_ms // 1000)
        with acting_as_owner(os.path.dirname(path)):
            revoked.add(Entry(jti, exp, now_ms // 1000, user_at_host()))
    except ValueError as error:
        raise CommandError(f"{revoked.path}: {error}") from error
    _see(args, settings, jti, path)
    return 0


def _list_of(args: argparse.Namespace, settings: Settings) -> str:
    """Return the path of the list of revoked tokens, the same one in whatever directory the command works.

    Raises CommandError where only the node knows, and it cannot be asked.
    """
    path = settings.admin_revoked
    if os.path.isabs(path):
        return path
    try:
        node = _own_node(args, settings)
        if node is None:
            raise NodeError("DNS_ADMIN_ADDRESS is off")
        found = str(node.get("/v1/tokens/revoked")["list"])
    except (NodeError, KeyError, TypeError) as error:
        raise CommandError(
            f"where the server has its list of revoked tokens depends on the directory in which it was started, and it "
            f"cannot be asked ({error}): set DNS_ADMIN_REVOKED to an absolute path"
        ) from error
    if not os.path.isdir(os.path.dirname(found)):
        raise CommandError(f"the node has its list in {found}, which is not on this machine: revoke the token there")
    return found


def _see(args: argparse.Namespace, settings: Settings, jti: str, path: str) -> None:
    """Ask the node whether it refuses a token that was revoked, and say what was seen; raises CommandError."""
    said = f"{jti} is in the list {path}"
    node = _own_node(args, settings)
    if node is None:
        note(f"{said}; DNS_ADMIN_ADDRESS is off, so no node was asked whether it refuses it")
        return
    try:
        state = node.get("/v1/tokens/revoked", {"id": jti})
        refuses, theirs = state["revoked"] is True, str(state["list"])
    except NodeError as error:
        if isinstance(error.__cause__, ConnectionRefusedError | FileNotFoundError):
            note(f"{said}; no node runs at {node.url} that could say whether it refuses it")
            return
        raise CommandError(f"{said}, but whether the node refuses it is not known: {error}") from error
    except (KeyError, TypeError) as error:
        raise CommandError(f"{said}, but {node.url} answers in another way than this version") from error
    if not refuses:
        raise CommandError(f"{said}, but the token is still good: {node.url} reads the list {theirs}")
    note(f"{jti} is revoked: {node.url} refuses it")
    for peer in settings.peers:
        _see_peer(Client(peer, token=settings.peers_token, ca=settings.peers_ca, timeout_s=_PEER_S), jti)


def _see_peer(peer: Client, jti: str) -> None:
    """Say where another node does not refuse a token: each has a list of its own."""
    try:
        if peer.get("/v1/tokens/revoked", {"id": jti})["revoked"] is True:
            note(f"{peer.url} refuses it, too")
        else:
            note(f"{peer.url} does not have it in its list: revoke it there, too, if it takes tokens of this key")
    except (NodeError, KeyError, TypeError) as error:
        note(f"whether {peer.url} refuses it is not known: {error}")


def _own_node(args: argparse.Namespace, settings: Settings) -> Client | None:
    """Return a client of the node of these settings or of --node, None where the admin API is off."""
    if settings.admin_address is None and not args.node:
        return None
    own = dataclasses.replace(settings, client_node="")
    return client_of(args, own, timeout_s=_NODE_S, prefer_own=True, sign=True)


def _create(args: argparse.Namespace, settings: Settings, *, now_ms: int) -> int:
    zones = []
    for zone in args.zone or ():
        try:
            zones.append(name.to_text(name.from_text(zone).lower()))
        except ValueError as error:
            raise CommandError(f"{zone} is no zone: {error}") from error
    token, claims = keyring_of(settings).issue(
        args.name or "token", role_of(args.role), now_s=now_ms / 1000, expires_s=args.expires or _DEFAULT_S,
        zones=tuple(zones) or None,
    )
    if len(token) > MAX_TOKEN:
        raise CommandError(f"a token for so many zones is longer than {MAX_TOKEN} characters, which no node takes")
    if args.json:
        print_json({
            "token": token, "id": claims.jti, "expires": claims.exp, "role": claims.role, "zones": zones or None,
        })
    else:
        where, until = " ".join(zones) or "every zone", moment(claims.exp * 1000)
        note(f"id {claims.jti}, role {claims.role}, {where}, until {until}")
        print(token)
    return 0


def _which(given: str, settings: Settings, *, now_s: int) -> tuple[str, int]:
    """Return the id of the token to revoke, and when it ends; raises CommandError."""
    if given != "-" and given.count(".") != 2:
        if not given.isprintable() or len(given) > 64:
            raise CommandError("that is no id of a token")
        return given, now_s + _LONGEST_S
    if given != "-":
        raise CommandError("a token itself is not taken as an argument, where others can see it: give its id, or - and "
                           "the token on standard input")
    try:
        claims = keyring_of(settings).verify(sys.stdin.read(_MOST_TOKEN).strip())
    except BadToken as error:
        raise CommandError(f"the token need not be revoked: {error}") from error
    return claims.jti, claims.exp
