"""Chooses the node that a command asks, and the token to ask it with; `streamdns endpoint` tells other programs."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from streamdns.addresses import UnixAddress
from streamdns.admin.access import local_token
from streamdns.admin.fleet.client import Client
from streamdns.admin.http.route import Role
from streamdns.commands import CommandError
from streamdns.commands.caller import user_at_host
from streamdns.commands.output import print_json
from streamdns.commands.tables import print_pairs
from streamdns.settings import Settings
from streamdns.settings.peers import parse_node, parse_token, read_token


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where an admin API is, the token for it ("" for none), and the certificates to trust ("" for the system's)."""

    url: str
    token: str
    ca: str


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Show where commands with these settings ask; with --json also the token, as the admin that who reads keys is."""
    found = endpoint_of(args, settings, role=Role.ADMIN, subject=user_at_host())
    if args.json:
        print_json({"url": found.url, "token": found.token, "ca": found.ca})
    else:
        signed = "there is one (shown with --json)" if found.token else "none"
        print_pairs([("node", found.url), ("token", signed), ("certificates", found.ca or "those of the system")])
    return 0


def client_of(
    args: argparse.Namespace, settings: Settings, *, node: str | None = None, role: Role = Role.VIEWER,
    timeout_s: float = 30.0, prefer_own: bool = False, sign: bool = False,
) -> Client:
    """Return a client of the node that endpoint_of() chooses; raises CommandError."""
    found = endpoint_of(args, settings, node=node, role=role, prefer_own=prefer_own, sign=sign)
    return Client(found.url, token=found.token, ca=found.ca, timeout_s=timeout_s)


def endpoint_of(
    args: argparse.Namespace, settings: Settings, *, node: str | None = None, role: Role = Role.VIEWER,
    prefer_own: bool = False, sign: bool = False, subject: str = "command line",
) -> Endpoint:
    """Return the node that is named (`node`, --node, STREAMDNS_NODE), or else the one of these settings.

    Where no token is given, one of DNS_PEERS is asked with the token for those, and the node of these settings with one
    that they can sign: with `prefer_own` in any case, with `sign` also a node that is named. Raises CommandError.
    """
    named = node or getattr(args, "node", None) or settings.client_node
    token = _token(args, settings)
    ca = getattr(args, "ca", None) or settings.peers_ca
    if named:
        url = _url(named)
        token = token or (settings.peers_token if url in settings.peers else "")
        if sign:
            token = token or local_token.token_of(settings, role, subject=subject)
        return Endpoint(url, token, ca)
    address = settings.admin_address
    if address is None:
        raise CommandError("DNS_ADMIN_ADDRESS is off here: say which node with --node")
    scheme = "https" if settings.admin_tls_cert else "http"
    url = str(address) if isinstance(address, UnixAddress) else parse_node(f"{scheme}://{address}")
    if prefer_own or not token:
        token = local_token.token_of(settings, role, subject=subject) or token
    return Endpoint(url, token, ca or settings.admin_tls_cert)


def _url(named: str) -> str:
    try:
        return parse_node(named)
    except ValueError as err:
        raise CommandError(f"the node {named} {err}") from err


def _token(args: argparse.Namespace, settings: Settings) -> str:
    path = getattr(args, "token_file", None)
    try:
        return read_token(path) if path else parse_token(settings.client_token)
    except ValueError as err:
        raise CommandError(f"the token file {path} {err}" if path else f"STREAMDNS_TOKEN {err}") from err
