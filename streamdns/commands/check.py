"""`streamdns check`: finds every problem of a configuration before the start, and what else is worth knowing."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext

from streamdns.admin.access.accounts import file_of, users_missing
from streamdns.admin.access.revoked import Revoked
from streamdns.admin.access.tokens import keyring_of
from streamdns.admin.http.tls import peers_context, tls_context
from streamdns.commands.output import note, print_json, print_lines
from streamdns.consumer import local_records
from streamdns.dns import name
from streamdns.errors import ConfigError, NotYet, SourceError, ViewCorrupt, ViewError
from streamdns.resolver.service.from_settings import knowledge_of
from streamdns.runtime.gateways import gateways
from streamdns.runtime.listening import InetListener, Listener, UnixListener
from streamdns.runtime.open_files import connections_of, most_open_files
from streamdns.runtime.owner import acting_as_owner
from streamdns.serving.listeners import listeners
from streamdns.settings import Settings
from streamdns.settings.admin import needs_login
from streamdns.settings.open_resolver import open_resolver
from streamdns.settings.workers import cpus_of_machine, missing_cpus
from streamdns.sources.filelog import is_directory, partition_files
from streamdns.view.view import current_generation, holder_of, is_frozen, open_readonly

#: Brokers that say nothing may hold up a start for so long.
_BROKERS_S = 2.0


def run(args: argparse.Namespace, load: Callable[[], Settings]) -> int:
    """Print the notes; raises ConfigError with all problems of the settings and of what they name."""
    problems: list[str] = []
    notes: list[str] = []
    unwise: list[str] = []
    try:
        settings = load()
    except ConfigError as err:
        if not isinstance(err.rest, Settings):
            raise
        problems += err.problems
        settings = err.rest
    _check_names(settings, problems)
    holder = _check_view(settings.pathdb, problems, notes)
    if settings.source == "kafka":
        unwise = _check_kafka(settings, problems, notes)
    elif settings.source == "pulsar":
        unwise = _check_pulsar(settings, problems, notes)
    else:
        _check_log(settings.file_log, problems, notes)
    if not args.no_bind:
        _check_listeners(settings, problems, notes, held=holder is not None)
    _check_admin(settings, problems, notes)
    _check_open_files(settings, notes)
    _check_cpus(settings, problems, notes)
    warnings = [*settings.warnings, *open_resolver(settings, gateways()), *unwise]
    if args.json:
        print_json({"problems": problems, "warnings": warnings, "notes": notes, "view_held_by": holder})
        return 78 if problems else 0
    for each in warnings:
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
    frozen = is_frozen(path)
    if frozen:
        notes.append(f"the file system of the view in {path} is read-only: the view is served as it is, and the log is "
                     "not followed")
    reason = None if frozen else _unusable_directory(path)
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


def _check_kafka(settings: Settings, problems: list[str], notes: list[str]) -> list[str]:
    """Check certificate files, and ask the brokers for a moment; gives what is unwise about the topics.

    Brokers that are away are a note and no problem.
    """
    from streamdns.sources.kafka.config import from_settings
    from streamdns.sources.kafka.source import reachable
    from streamdns.sources.tls import check_files

    config = from_settings(settings)
    try:
        check_files(config)
    except ConfigError as err:
        problems += err.problems
        return []
    return _reach(lambda: reachable(config, within_s=_BROKERS_S), notes)


def _check_pulsar(settings: Settings, problems: list[str], notes: list[str]) -> list[str]:
    """Check the library and the certificate files, and ask for the topic; gives what is unwise about it.

    What is away is a note and no problem.
    """
    from streamdns.sources.pulsar.config import check_installation, from_settings

    config = from_settings(settings)
    try:
        check_installation(config)
    except ConfigError as err:
        problems += err.problems
        return []
    if not config.url or not config.topic:
        return []
    from streamdns.sources.pulsar.source import reachable

    return _reach(lambda: reachable(config, within_s=_BROKERS_S), notes)


def _reach(reach: Callable[[], list[str]], notes: list[str]) -> list[str]:
    try:
        return reach()
    except SourceError as err:
        notes.append(f"the log cannot be read now: {err}; the server tries again")
        return []


def _check_listeners(settings: Settings, problems: list[str], notes: list[str], *, held: bool) -> None:
    """Bind every address that a server would, and let go; what may pass by itself is a note and no problem."""
    wanted = listeners(settings)
    notes += [f"DNS_ADDRESS={address} is left out: this machine has no such addresses" for address in wanted.left_out]
    with ExitStack() as bound:
        for listener in wanted.each():
            try:
                with _as_owner_of(listener):
                    bound.callback(listener.release, listener.bind())
            except ConfigError as err:
                problems += err.problems
            except NotYet as err:
                notes.append(str(err) if held else f"{err}; the server tries again until it works")
            if isinstance(listener, InetListener) and listener.missing:
                notes.append(f"{listener.setting}: {listener.where} is no address of this machine; the server listens "
                             "there all the same, for when it comes")


def _check_open_files(settings: Settings, notes: list[str]) -> None:
    """Note where the limit on open files, as it is for this command, leaves fewer TCP connections than are wanted."""
    files = most_open_files()
    connections = connections_of(settings.tcp_connections, files)
    if settings.tcp and connections < settings.tcp_connections:
        notes.append(f"DNS_TCP_CONNECTIONS={settings.tcp_connections} is more than {files} open files leave room for: "
                     f"a server that is limited as this command is takes {connections} (LimitNOFILE=, ulimit -Hn)")


def _check_cpus(settings: Settings, problems: list[str], notes: list[str]) -> None:
    """Compare the CPUs that workers are to be bound to with those of the machine, and those that this command may use.
    """
    if not settings.workers:
        return
    if missing := missing_cpus(settings.worker_cpus, cpus_of_machine()):
        problems.append(f"DNS_WORKER_CPUS: this machine has no {missing}")
    elif missing := missing_cpus(settings.worker_cpus, os.sched_getaffinity(0)):
        notes.append(f"DNS_WORKER_CPUS: this command may not use {missing}, and a server that is limited as it is does "
                     "not start (CPUAffinity=, AllowedCPUs=, taskset)")


def _as_owner_of(listener: Listener) -> AbstractContextManager[None]:
    if isinstance(listener, UnixListener):
        return acting_as_owner(os.path.dirname(listener.address.path))
    return nullcontext()


def _check_admin(settings: Settings, problems: list[str], notes: list[str]) -> None:
    """Check keys, certificate and users of the admin API, and the certificates that its peers are verified by."""
    if settings.admin_address is None:
        return
    for look in (keyring_of, tls_context, file_of, peers_context):
        try:
            look(settings)
        except ConfigError as err:
            problems += err.problems
    if needs_login(settings) and os.path.isabs(settings.admin_revoked):
        try:
            Revoked(settings.admin_revoked).has("")
        except (OSError, ValueError) as err:
            notes.append(f"the list of revoked tokens cannot be used, so no token will be taken: {err}")
    if settings.admin_password and users_missing(settings):
        notes.append(f"DNS_ADMIN_USERS={settings.admin_users} is not there; only {settings.admin_username} can sign in")
