"""`streamdns check`: finds every problem of a configuration before the start, and what else is worth knowing."""

from __future__ import annotations

import argparse
import errno
import ipaddress
import os
import socket
from collections.abc import Callable

from streamdns.admin.access import users
from streamdns.admin.access.files import Watched
from streamdns.admin.access.tokens import keyring_of
from streamdns.admin.http.tls import tls_context
from streamdns.commands.output import note, print_json, print_lines
from streamdns.consumer import local_records
from streamdns.dns import name
from streamdns.errors import ConfigError, SourceError, ViewCorrupt, ViewError
from streamdns.resolver.service.from_settings import knowledge_of
from streamdns.settings import Address, Settings
from streamdns.sources.filelog import is_directory, partition_files
from streamdns.view.view import current_generation, holder_of, open_readonly


def run(args: argparse.Namespace, load: Callable[[], Settings]) -> int:
    """Print the notes; raises ConfigError with all problems of the settings and of what they name."""
    problems: list[str] = []
    notes: list[str] = []
    try:
        settings = load()
    except ConfigError as err:
        if not isinstance(err.rest, Settings):
            raise
        problems += err.problems
        settings = err.rest
    _check_names(settings, problems)
    holder = _check_view(settings.pathdb, problems, notes)
    _check_log(settings.file_log, problems, notes)
    _check_addresses(settings, problems, notes, held=holder is not None)
    _check_admin(settings, problems)
    if args.json:
        warnings = list(settings.warnings)
        print_json({"problems": problems, "warnings": warnings, "notes": notes, "view_held_by": holder})
        return 78 if problems else 0
    for each in settings.warnings:
        note(f"warning: {each}")
    for each in notes:
        note(f"note: {each}")
    if problems:
        raise ConfigError(problems)
    print_lines(["the configuration can be used"])
    return 0


def _check_names(settings: Settings, problems: list[str]) -> None:
    for zone in settings.zones:
        try:
            name.from_text(zone)
        except ValueError as err:
            problems.append(f"DNS_ZONES: {err}")
    if settings.recursion_allow:
        try:
            knowledge_of(settings, lambda qname, qtype: None)
        except ConfigError as err:
            problems += err.problems
    try:
        local_records.parse(settings.local_records, settings.default_ttl)
    except ConfigError as err:
        problems += err.problems


def _check_view(path: str, problems: list[str], notes: list[str]) -> str | None:
    """Check the view's directory without creating or locking anything; returns the process that holds it."""
    reason = _unusable_directory(path)
    if reason is not None:
        problems.append(f"DNS_PATHDB={path}: {reason}")
        return None
    if not os.path.isdir(path):
        notes.append(f"there is no view in {path} yet; it will be made from the log")
        return None
    holder = holder_of(path)
    if holder is not None:
        notes.append(f"the view in {path} is in use by {holder}")
    try:
        if current_generation(path) is None:
            notes.append(f"there is no view in {path} yet; it will be made from the log")
        else:
            open_readonly(path).close()
    except ViewCorrupt as err:
        notes.append(f"{err}; it will be made again from the log")
    except ViewError as err:
        problems.append(f"DNS_PATHDB={path}: {err}")
    return holder


def _unusable_directory(path: str) -> str | None:
    """Return why a directory can neither be used nor created, or None."""
    place = os.path.abspath(path)
    while not os.path.lexists(place):
        place = os.path.dirname(place)
    if not os.path.isdir(place):
        return f"{place} is not a directory"
    if not os.access(place, os.R_OK | os.W_OK | os.X_OK):
        return f"this user may not write to {place}"
    return None


def _check_log(path: str, problems: list[str], notes: list[str]) -> None:
    try:
        files = partition_files(path)
    except (SourceError, OSError) as err:
        reason = (err.strerror or str(err)).lower() if isinstance(err, OSError) else str(err)
        problems.append(f"DNS_FILE_LOG={path}: {reason}")
        return
    if not files:
        what = "has no <partition>.jsonl files" if is_directory(path) and os.path.isdir(path) else "is not there"
        notes.append(f"the log {path} {what} yet; the server waits for it")
    for file in files.values():
        if not os.path.isfile(file):
            problems.append(f"DNS_FILE_LOG={path}: {file} is not a regular file")
        elif not os.access(file, os.R_OK):
            problems.append(f"DNS_FILE_LOG={path}: this user may not read {file}")


def _check_addresses(settings: Settings, problems: list[str], notes: list[str], *, held: bool) -> None:
    """Check that no two addresses overlap and that each can be bound; a running server may hold them."""
    wanted: list[tuple[str, Address]] = [("DNS_ADDRESS", address) for address in settings.address]
    admin = settings.admin_address if isinstance(settings.admin_address, Address) else None
    if admin is not None and settings.tcp:
        wanted.append(("DNS_ADMIN_ADDRESS", admin))
    for index, (setting, address) in enumerate(wanted):
        for other_setting, other in wanted[:index]:
            if _overlap(address, other):
                problems.append(f"{setting}={address} and {other_setting}={other} are one and the same port")
    kinds = [*([socket.SOCK_DGRAM] if settings.udp else []), *([socket.SOCK_STREAM] if settings.tcp else [])]
    attempts = [("DNS_ADDRESS", address, kind) for address in settings.address for kind in kinds]
    if admin is not None:
        attempts.append(("DNS_ADMIN_ADDRESS", admin, socket.SOCK_STREAM))
    tell: dict[int, Callable[[str], None]] = {errno.EADDRINUSE: notes.append if held else problems.append}
    for setting, address, kind in attempts:
        try:
            _bind(address, kind)
        except OSError as err:
            transport = "UDP" if kind == socket.SOCK_DGRAM else "TCP"
            reason = (err.strerror or str(err)).lower()
            tell.get(err.errno or 0, problems.append)(f"{setting}={address}: {transport} cannot be bound: {reason}")


def _check_admin(settings: Settings, problems: list[str]) -> None:
    """Check keys, certificate and users of the admin API."""
    if settings.admin_address is None:
        return
    for look in (keyring_of, tls_context):
        try:
            look(settings)
        except ConfigError as err:
            problems += err.problems
    if settings.admin_users:
        try:
            Watched(settings.admin_users, users.parse).get()
        except (OSError, ValueError) as err:
            problems.append(f"DNS_ADMIN_USERS={settings.admin_users}: {getattr(err, 'strerror', None) or err}")


def _overlap(one: Address, other: Address) -> bool:
    if one.port != other.port or one.port == 0 or one.is_ipv6 != other.is_ipv6:
        return False
    return one.host == other.host or any(ipaddress.ip_address(each.host).is_unspecified for each in (one, other))


def _bind(address: Address, kind: socket.SocketKind) -> None:
    with socket.socket(socket.AF_INET6 if address.is_ipv6 else socket.AF_INET, kind) as probe:
        if kind == socket.SOCK_STREAM:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if address.is_ipv6:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        probe.bind(address)
