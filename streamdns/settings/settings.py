"""Reads the settings from the environment and a file, checks them, and reports all problems at once.

This is the only module that looks at the process environment, and only in from_process().
"""

from __future__ import annotations

import difflib
import math
import os
import re
import secrets
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from streamdns.addresses import Address, UnixAddress
from streamdns.errors import ConfigError
from streamdns.named_files import open_named
from streamdns.settings import admin, kafka, listening, metrics, parsers, peers, pulsar, resolver, workers
from streamdns.settings.admin import KeyFile, Proxies
from streamdns.settings.parsers import TopicZones
from streamdns.settings.resolver import ForwardZone, Network
from streamdns.settings.row import Setting
from streamdns.settings.table import BY_NAME, SETTINGS

_MAX_SHOWN = 100
#: SD_LISTEN_FDS_START of sd_listen_fds(3).
_FIRST_HANDED_OVER = 3
#: A user and a password in a URL, which no setting wants and somebody may write all the same.
_USERINFO = re.compile(r"://[^/\s@]*@")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The effective settings, typed; durations end in _s, sizes in _bytes.

    `given` holds the names that were set explicitly; `warnings` one sentence each. The others are not in the table:
    systemd passes `notify_socket` and `watchdog_s` to a service of Type=notify (sd_notify(3)), and `handed_over` are
    descriptors that it kept for this process, with their names; commands ask the node `client_node` with `client_token`
    (STREAMDNS_NODE, STREAMDNS_TOKEN).
    """

    address: tuple[Address, ...]
    udp: bool
    tcp: bool
    workers: int
    worker_cpus: tuple[int, ...]
    worker_timeout_s: float
    zones: tuple[str, ...]
    zones_allow: tuple[str, ...]
    topic_zones: tuple[TopicZones, ...]
    pathdb: str
    instance_id: str
    local_records: tuple[str, ...]
    disallow_cname_on_apex: bool
    apex_cname: str
    admin_address: Address | UnixAddress | None
    admin_insecure: bool
    admin_users: str
    admin_username: str
    admin_password: str = field(repr=False)
    admin_password_file: str
    admin_jwtsecret: str = field(repr=False)
    admin_jwtsecret_file: str
    admin_jwtkeys: tuple[KeyFile, ...]
    admin_revoked: str
    admin_trusted_proxies: Proxies
    admin_session_s: float
    admin_tls_cert: str
    admin_tls_key: str
    peers: tuple[str, ...]
    peers_token: str = field(repr=False)
    peers_token_file: str
    peers_ca: str
    peers_interval_s: float
    log_level: str
    log_format: str
    source: str
    file_log: str
    kafka_address: tuple[str, ...]
    kafka_topics: tuple[str, ...]
    kafka_topic: tuple[str, ...]
    kafka_client: str
    kafka_group: str
    kafka_sasl_enable: bool
    kafka_sasl_mechanism: str
    kafka_user: str
    kafka_password: str = field(repr=False)
    kafka_password_file: str
    kafka_tls_enable: bool
    kafka_tls_ca: str
    kafka_tls_cert: str
    kafka_tls_key: str
    kafka_fetch_bytes: int
    kafka_fetch_max_bytes: int
    kafka_backoff_max_s: float
    kafka_check_interval_s: int
    kafka_allow_lossy_topic: bool
    kafka_partitioner: str
    kafka_delivery_timeout_s: float
    pulsar_address: str
    pulsar_topic: str
    pulsar_token: str = field(repr=False)
    pulsar_token_file: str
    pulsar_tls_ca: str
    pulsar_tls_cert: str
    pulsar_tls_key: str
    pulsar_admin_address: str
    pulsar_receiver_queue: int
    pulsar_timeout_s: int
    pulsar_backoff_max_s: float
    pulsar_check_interval_s: int
    pulsar_partitioner: str
    pulsar_delivery_timeout_s: float
    recursion_allow: tuple[Network, ...]
    root_hints: str
    cache_bytes: int
    recursion_limit: int
    recursion_client_limit: int
    resolver_zone_limit: int
    resolver_server_limit: int
    qname_minimisation: str
    query_case: str
    resolver_address: tuple[Address, ...]
    forward_zones: tuple[ForwardZone, ...]
    special_names_off: tuple[str, ...]
    private_answers: str
    private_answers_zones: tuple[str, ...]
    serve_stale: bool
    resolver_deny: tuple[Network, ...]
    resolver_source: tuple[str, ...]
    resolver_port: int
    metrics_address: Address | None
    metrics_outputs: tuple[str, ...]
    metrics_tokens: tuple[tuple[str, str], ...] = field(repr=False)
    metrics_tokens_file: str
    metrics_flush_interval_ms: int
    metrics_buffer_flushes: int
    statsd_address: str
    statsd_prefix: str
    statsd_tags: str
    default_ttl: int
    rotate: bool
    version: bool
    cookies: bool
    cookie_secret: bytes = field(repr=False)
    edns_size_bytes: int
    no_cookie_size_bytes: int
    rrl_rate: int
    rrl_slip: int
    rrl_exempt: tuple[Network, ...]
    rrl_log_only: bool
    udp_receive_buffer_bytes: int
    udp_batch: int
    tcp_connections: int
    tcp_client_connections: int
    tcp_idle_timeout_s: float
    tcp_message_timeout_s: float
    stale_after_s: float
    swap_guard: float
    delete_guard: float
    delete_guard_window_s: float
    journal_size: int
    quarantine_size: int
    view_max_bytes: int
    batch_events: int
    drain_s: float
    stop_timeout_s: float
    client_token: str = field(default="", repr=False)
    client_node: str = ""
    notify_socket: str | None = None
    watchdog_s: float | None = None
    handed_over: tuple[tuple[int, str], ...] = ()
    given: frozenset[str] = frozenset()
    warnings: tuple[str, ...] = ()

    def masked(self) -> dict[str, str]:
        """Return every setting's name and effective value as text, secrets as ***, also those within a URL."""
        texts = {
            row.name: "***" if row.secret else row.shown(_text(getattr(self, row.attribute))) for row in SETTINGS
        }
        texts["DNS_LOCAL_RECORDS"] = r"\n".join(self.local_records)
        for name in ("DNS_RECURSION_ALLOW", "DNS_RESOLVER_DENY", "DNS_RRL_EXEMPT"):
            texts[name] = texts[name] or "none"
        # Where it lies beside the view, it is one place wherever this is read again.
        texts["DNS_ADMIN_REVOKED"] = os.path.abspath(self.admin_revoked)
        texts["DNS_ADMIN_ADDRESS"] = str(self.admin_address or "off")
        texts["DNS_METRICS_ADDRESS"] = str(self.metrics_address or "off")
        return texts


def from_process(env_file: str | None = None) -> Settings:
    """Load the settings of this process; no other place reads os.environ. Raises ConfigError."""
    return load(os.environ, env_file)


def environment_of_workers() -> dict[str, str]:
    """Return the environment for processes of our own: without settings, which they are told in another way, and
    without what systemd tells the main process alone.
    """
    return {
        name: value for name, value in os.environ.items()
        if not name.startswith(("DNS_", "STREAMDNS_", "LISTEN_", "WATCHDOG_")) and name != "NOTIFY_SOCKET"
    }


def load(
    environ: Mapping[str, str],
    env_file: str | None = None,
    *,
    random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    host_name: Callable[[], str] = socket.gethostname,
) -> Settings:
    """Read every setting from the environment and from a file in systemd's EnvironmentFile syntax.

    The environment wins over the file; an empty value counts as unset. Raises ConfigError with all problems at once;
    its `rest` are the settings with defaults in place of the wrong values.
    """
    problems: list[str] = []
    warnings: list[str] = []
    texts = _read_env_file(env_file, problems=problems, warnings=warnings) if env_file is not None else {}
    texts.update(environ)
    warnings += _unknown_names(texts)
    values, given = _parse_all(texts, problems)
    _settle(values, given=given, problems=problems, warnings=warnings)
    for setting in SETTINGS:
        if setting.attribute not in values:
            values[setting.attribute] = setting.parse(setting.default) if setting.default else setting.unset
    values["instance_id"] = values["instance_id"] or host_name()
    values["kafka_group"] = values["kafka_group"] or f"streamdns-{values['instance_id']}"
    values["cookie_secret"] = values["cookie_secret"] or random_bytes(16)
    settings = Settings(
        **values,
        client_token=environ.get("STREAMDNS_TOKEN", "").strip(),
        client_node=environ.get("STREAMDNS_NODE", "").strip(),
        notify_socket=environ.get("NOTIFY_SOCKET") or None,
        watchdog_s=_watchdog_s(environ),
        handed_over=_handed_over(environ),
        given=frozenset(given),
        warnings=tuple(warnings),
    )
    if problems:
        raise ConfigError(problems, settings)
    return settings


def changed(old: Settings, new: Settings) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Compare settings; return the names of changed ones that can be applied while running, and of the others."""
    names = [
        setting for setting in SETTINGS
        if (setting.name in old.given or setting.name in new.given)
        and getattr(old, setting.attribute) != getattr(new, setting.attribute)
    ]
    return tuple(s.name for s in names if s.reload), tuple(s.name for s in names if not s.reload)


def _read_env_file(path: str, *, problems: list[str], warnings: list[str]) -> dict[str, str]:
    try:
        with open_named(path) as file:
            # With the mark that some editors put before the text.
            parsed = parsers.parse_env_file(file.read().decode("utf-8-sig"))
    except OSError as error:
        problems.append(f"the environment file {path} cannot be read: {(error.strerror or str(error)).lower()}")
    except UnicodeDecodeError:
        problems.append(f"the environment file {path} is not UTF-8 text")
    except ValueError as error:
        problems.append(f"the environment file {path} {error}")
    else:
        warnings += [f"in the environment file {path} {warning}" for warning in parsed.warnings]
        return dict(parsed.values)
    return {}


def _unknown_names(texts: Mapping[str, str]) -> list[str]:
    warnings = []
    for name in sorted(texts):
        if name != name.upper() and name.upper() in BY_NAME:
            warnings.append(f"{name} is not a setting and is ignored; the nearest known name is {name.upper()}")
        elif name.startswith("DNS_") and name not in BY_NAME:
            near = difflib.get_close_matches(name, BY_NAME, n=1, cutoff=0.0)
            warnings.append(f"{name} is not a setting and is ignored; the nearest known name is {near[0]}")
    return warnings


def _parse_all(texts: Mapping[str, str], problems: list[str]) -> tuple[dict[str, Any], set[str]]:
    values: dict[str, Any] = {}
    given: set[str] = set()
    for setting in SETTINGS:
        text = texts.get(setting.name, "").strip()
        if not text and setting.name in texts:
            text = setting.empty
        if text:
            given.add(setting.name)
        text = text or setting.default
        if not text:
            values[setting.attribute] = setting.unset
            continue
        try:
            values[setting.attribute] = setting.parse(text)
        except ValueError as error:
            problems.append(_problem(setting, text, str(error)))
    return values, given


def _problem(setting: Setting, text: str, reason: str) -> str:
    text = _USERINFO.sub("://***@", setting.shown(text))
    shown = text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + "..."
    # ascii() would double every backslash: only what could disturb a terminal or a line is replaced.
    shown = "".join(char if char.isprintable() else "?" for char in shown)
    subject = f"the value of {setting.name}" if setting.secret else f"{setting.name}={shown}"
    return f"{subject} {reason}; allowed: {setting.allowed}"


def _settle(values: dict[str, Any], *, given: set[str], problems: list[str], warnings: list[str]) -> None:
    """Check and complete settings that depend on each other; `values` lacks those that could not be parsed."""
    if values.get("disallow_cname_on_apex") and values.get("apex_cname") == "flatten":
        problems.append("DNS_APEX_CNAME=flatten contradicts DNS_DISALLOW_CNAME_ON_APEX=true; allowed: one of them")
    if "DNS_SOURCE" not in given and values.get("kafka_address"):
        values["source"] = "kafka"
    elif "DNS_SOURCE" not in given and values.get("pulsar_address"):
        values["source"] = "pulsar"
    listening.settle(values, given=given, problems=problems)
    admin.settle(values, problems=problems, warnings=warnings)
    peers.settle(values, problems=problems, warnings=warnings)
    kafka.settle(values, problems=problems, warnings=warnings)
    pulsar.settle(values, problems=problems, warnings=warnings)
    resolver.settle(values, problems=problems, warnings=warnings, given=given)
    metrics.settle(values, problems=problems, warnings=warnings)
    workers.settle(values, problems=problems, warnings=warnings)
    if values.get("udp") is False and values.get("tcp") is False:
        warnings.append("DNS_UDP and DNS_TCP are both false: no query will be answered")


def _watchdog_s(environ: Mapping[str, str]) -> float | None:
    """Read the watchdog interval in seconds that systemd set for this process (sd_watchdog_enabled(3)), or None."""
    text, pid = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    if not (text.isascii() and text.isdigit()) or int(text) == 0:
        return None
    return None if pid and pid != str(os.getpid()) else int(text) / 1_000_000


def _handed_over(environ: Mapping[str, str]) -> tuple[tuple[int, str], ...]:
    """Read which descriptors systemd hands to this process, and their names (sd_listen_fds_with_names(3))."""
    count = environ.get("LISTEN_FDS", "")
    if environ.get("LISTEN_PID") != str(os.getpid()) or not (count.isascii() and count.isdigit()):
        return ()
    names = environ.get("LISTEN_FDNAMES", "").split(":")
    return tuple(
        (_FIRST_HANDED_OVER + index, names[index] if index < len(names) else "")
        for index in range(min(int(count), workers.MOST_KEPT_SOCKETS))
    )


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return "off" if value == math.inf else f"{value:.12g}"
    if isinstance(value, tuple) and not isinstance(value, Address | UnixAddress | ForwardZone | Proxies):
        return " ".join(str(item) for item in value)
    return str(value)
