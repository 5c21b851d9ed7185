"""Everything that answers DNS in a process: the servers at its sockets, their answerers and limits, and the resolver.

Where one process does everything, that is the main process; with DNS_WORKERS each worker has one of these.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from streamdns import __version__
from streamdns.addresses import Within
from streamdns.consumer.propagation import Awaiting
from streamdns.dns.answer import Answerer
from streamdns.dns.cookies import Cookies
from streamdns.dns.lookup import Policy, Snapshot
from streamdns.metrics.registry import Registry
from streamdns.runtime.lifecycle import Service
from streamdns.runtime.listening import InetListener
from streamdns.runtime.open_files import connections_of, open_files
from streamdns.serving.connections import Connections
from streamdns.serving.limiter import ResponseLimiter
from streamdns.serving.statistics import Statistics
from streamdns.serving.tcp import TcpServer
from streamdns.serving.udp import UdpServer
from streamdns.settings import Settings
from streamdns.view.apexes import zone_keys

if TYPE_CHECKING:
    from streamdns.resolver.service.recursor import Recursor


def policy_of(settings: Settings) -> Policy:
    """Make the policy of answers from the settings; raises ConfigError."""
    return Policy(
        zones=zone_keys(settings.zones),
        # The host name, which it is by default, is told to nobody who was not meant to know it.
        instance_id=settings.instance_id.encode()[:255] if "DNS_INSTANCE_ID" in settings.given else b"",
        version=f"streamdns {__version__}".encode() if settings.version else None,
        edns_size=settings.edns_size_bytes,
        no_cookie_size=settings.no_cookie_size_bytes,
        flatten_apex_cname=settings.apex_cname == "flatten",
        rotate=settings.rotate,
        keepalive_s=int(settings.tcp_idle_timeout_s),
    )


class Answering:
    """The DNS servers at these listeners and the resolver behind them, as `services` in the order of their start.

    Raises ConfigError.
    """

    def __init__(
        self,
        settings: Settings,
        listeners: Sequence[InetListener],
        *,
        take_snapshot: Callable[[], Snapshot],
        registry: Registry,
        propagation: Awaiting,
    ) -> None:
        self._settings, self._registry, self._take_snapshot = settings, registry, take_snapshot
        self._policy = policy_of(settings)
        self._statistics = Statistics(registry, propagation)
        self._answerers: list[Answerer] = []
        self._connections = Connections(
            connections_of(settings.tcp_connections, open_files()), settings.tcp_client_connections, self._statistics
        )
        self._tcp_servers: list[TcpServer] = []
        self._limiter = ResponseLimiter(settings, registry)
        self._cookies = Cookies(settings.cookie_secret, time.time) if settings.cookies else None
        self.recursor = self._recursor()
        self.services: list[Service] = [] if self.recursor is None else [self.recursor]
        self.services += [self._server(listener) for listener in listeners]

    def _recursor(self) -> Recursor | None:
        """Make the resolver, None where no client may use it."""
        if not self._settings.recursion_allow:
            return None
        # Off, its code is not even loaded: a start is mostly that.
        from streamdns.resolver.service.answering import OwnZones
        from streamdns.resolver.service.flattening import OwnAnswerer
        from streamdns.resolver.service.from_settings import recursor_of

        answerer = OwnAnswerer(self._policy, cookies=None)
        self._answerers.append(answerer)
        own = OwnZones(answerer, self._take_snapshot)
        self._allowed = Within(self._settings.recursion_allow)
        return recursor_of(self._settings, registry=self._registry, local=own)

    def _answerer(self) -> Answerer:
        if self.recursor is None:
            answerer = Answerer(self._policy, cookies=self._cookies)
        else:
            from streamdns.resolver.service.answering import RecursiveAnswerer

            answerer = RecursiveAnswerer(
                self._policy, cookies=self._cookies, recursor=self.recursor, allowed=self._allowed
            )
        self._answerers.append(answerer)
        return answerer

    def _server(self, listener: InetListener) -> Service:
        settings = self._settings
        if listener.kind == socket.SOCK_DGRAM:
            return UdpServer(
                listener,
                answerer=self._answerer(),
                take_snapshot=self._take_snapshot,
                statistics=self._statistics,
                batch=settings.udp_batch,
                limiter=self._limiter,
            )
        server = TcpServer(
            listener,
            answerer=self._answerer(),
            take_snapshot=self._take_snapshot,
            statistics=self._statistics,
            connections=self._connections,
            idle_timeout_s=settings.tcp_idle_timeout_s,
            message_timeout_s=settings.tcp_message_timeout_s,
        )
        self._tcp_servers.append(server)
        return server

    def tick(self, *, stale: bool) -> None:
        """Mark answers as stale or not, and log what rate limiting held back; called once a second."""
        self._limiter.tick()
        for answerer in self._answerers:
            answerer.stale = stale

    def reload(self, new: Settings) -> None:
        """Take over those settings that may change while running."""
        policy = policy_of(new)
        self._connections.most = connections_of(new.tcp_connections, open_files())
        self._connections.most_of_client = new.tcp_client_connections
        for server in self._tcp_servers:
            server.idle_timeout_s, server.message_timeout_s = new.tcp_idle_timeout_s, new.tcp_message_timeout_s
        self._limiter.configure(new)
        for answerer in self._answerers:
            answerer.configure(replace(policy, instance_id=answerer.policy.instance_id))
