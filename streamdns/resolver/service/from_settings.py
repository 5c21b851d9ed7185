"""Builds the resolver from the settings."""

from __future__ import annotations

import random
import secrets
from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from typing import Final

from streamdns.dns import name
from streamdns.errors import ConfigError
from streamdns.metrics.registry import Registry
from streamdns.resolver.resolution.cache import Cache
from streamdns.resolver.resolution.load import Load
from streamdns.resolver.resolution.message import Response
from streamdns.resolver.resolution.question import Forward, Knowledge, Local, Outcome, Question
from streamdns.resolver.resolution.ready_answers import Messages
from streamdns.resolver.resolution.servers import Address, Servers
from streamdns.resolver.resolution.special_names import Special, embedded_ipv4, without_private
from streamdns.resolver.resolution.verdict import is_within
from streamdns.resolver.service.recursor import Recursor
from streamdns.resolver.service.roots import known_roots, read_hints
from streamdns.resolver.transport.transport import Transport
from streamdns.settings import Settings
from streamdns.settings.resolver import ForwardZone, Network

_HOSTS_KEPT: Final = 50_000
#: Of the memory for the cache, this part is for answers as they are sent.
_MESSAGES_PART: Final = 4
_EDE_BLOCKED: Final = 15


class MayAsk:
    """Whether an address may be sent to: not those in `deny`, unless a setting names them."""

    def __init__(self, deny: Sequence[Network], named: Iterable[Address]) -> None:
        self._deny, self._named = deny, frozenset(named)
        self._known: dict[str, bool] = {}

    def __call__(self, address: Address) -> bool:
        """Looked up once for each host."""
        may = self._known.get(address.host)
        if may is None:
            if len(self._known) >= _HOSTS_KEPT:
                self._known.clear()
            host = ip_address(address.host)
            meant = None if host.version == 4 else embedded_ipv4(host.packed)
            hosts = (host,) if meant is None else (host, ip_address(meant))
            may = not any(each in network for network in self._deny for each in hosts)
            self._known[address.host] = may
        return may or address in self._named


def forwards_of(zones: Sequence[ForwardZone], everything: Sequence[tuple[str, int]]) -> tuple[Forward, ...]:
    """The forward zones and forwarders of the settings; raises ConfigError."""
    found = []
    for zone, servers in zones:
        try:
            wire = name.from_text(zone).lower()
        except ValueError as error:
            raise ConfigError([f"DNS_FORWARD_ZONES: {error}"]) from error
        found.append(Forward(wire, tuple(Address(*server) for server in servers)))
    if everything and not any(forward.zone == b"\0" for forward in found):
        found.append(Forward(b"\0", tuple(Address(*server) for server in everything)))
    return tuple(found)


def knowledge_of(settings: Settings, local: Local) -> Knowledge:
    """Builds what all resolutions share from the settings; raises ConfigError."""
    port = settings.resolver_port
    forwards = forwards_of(settings.forward_zones, settings.resolver_address)
    roots = read_hints(settings.root_hints, port) if settings.root_hints else known_roots(port)
    named = {address for forward in forwards for address in forward.addresses}
    if settings.root_hints:
        named.update(roots)
    # Which server is asked next is no secret; what must not be guessed comes from the system, in transport.py.
    rng = random.Random(secrets.randbits(64))  # noqa: S311
    cache = Cache(settings.cache_bytes - settings.cache_bytes // _MESSAGES_PART)
    known = Knowledge(
        cache, Servers(rng), roots, rng, forwards=forwards, may_ask=MayAsk(settings.resolver_deny, named), port=port,
        minimisation=settings.qname_minimisation, mixed_case=settings.query_case == "random",
        load=Load(settings.resolver_zone_limit, settings.resolver_server_limit),
    )
    special = Special(settings.special_names_off)

    def all_local(qname: bytes, qtype: int) -> Response | None:
        response = local(qname, qtype)
        if response is None and special.group_of(qname) is not None:
            forward = known.forward_of(qname)
            if forward is None or forward.zone == b"\0":
                return special.answer(qname, qtype)
        return response

    known.local = all_local
    return known


class WithoutPrivate:
    """Leaves private addresses out of what foreign names have; EDE 15 (Blocked, RFC 8914) says so.

    `zones`: names at and below these may have them.
    """

    def __init__(self, known: Knowledge, zones: Sequence[str] = ()) -> None:
        self._known, self._zones = known, tuple(name.from_text(zone).lower() for zone in zones)

    def __call__(self, question: Question, outcome: Outcome) -> Outcome:
        """The outcome to give out; what counts is whose the name is that was asked for, not where it leads to."""
        kept = without_private(outcome.answer)
        if kept is None or self._known.local(question.qname, question.qtype) is not None:
            return outcome
        forward = self._known.forward_of(question.qname)
        if forward is not None and forward.zone != b"\0":
            return outcome
        if any(is_within(question.qname, zone) for zone in self._zones):
            return outcome
        return outcome._replace(answer=kept, ede=_EDE_BLOCKED, detail="private addresses were left out")


def recursor_of(settings: Settings, *, registry: Registry, local: Local) -> Recursor:
    """The resolver; `local` says what our own zones have. Raises ConfigError."""
    known = knowledge_of(settings, local)
    return Recursor(
        known,
        Transport(registry, sources=settings.resolver_source, load=known.load),
        messages=Messages(settings.cache_bytes // _MESSAGES_PART),
        registry=registry,
        limit=settings.recursion_limit,
        client_limit=settings.recursion_client_limit,
        serve_stale=settings.serve_stale,
        polish=WithoutPrivate(known, settings.private_answers_zones) if settings.private_answers == "deny" else None,
    )
