"""The composition root: makes all services from the settings and runs them. No other module knows every part."""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import gevent

from streamdns import __version__
from streamdns.admin.commits import Commits
from streamdns.admin.fleet.auditor import Auditor
from streamdns.admin.fleet.client import Client
from streamdns.admin.fleet.peers import MOST_BYTES, Peers
from streamdns.admin.http.tls import peers_context
from streamdns.admin.node import Node
from streamdns.admin.resolver import ResolverAdmin
from streamdns.admin.routes import table
from streamdns.admin.service import AdminServer
from streamdns.admin.status import Status
from streamdns.consumer import local_records
from streamdns.consumer.consumer import Consumer
from streamdns.errors import ConfigError, StreamDNSError
from streamdns.metrics import process
from streamdns.metrics.lateness import HubLateness
from streamdns.metrics.registry import Registry
from streamdns.metrics.services import Sending
from streamdns.metrics.services import services as metrics_services
from streamdns.named_files import plain_only
from streamdns.runtime import logs
from streamdns.runtime.gateways import gateways
from streamdns.runtime.kept_sockets import KeptSockets
from streamdns.runtime.lifecycle import EXIT_FAILED, Service, Supervisor
from streamdns.runtime.listening import InetListener, UnixListener
from streamdns.runtime.malloc import use_one_arena
from streamdns.runtime.open_files import raise_open_files
from streamdns.runtime.sdnotify import Notifier
from streamdns.runtime.short_turns import take_short_turns
from streamdns.runtime.unexpected import into_the_log
from streamdns.serving.answering import Answering, policy_of
from streamdns.serving.compiled import not_compiled
from streamdns.serving.listeners import listeners
from streamdns.settings import Settings, changed, environment_of_workers
from streamdns.settings.open_resolver import open_resolver
from streamdns.settings.table import BY_NAME
from streamdns.settings.workers import missing_cpus
from streamdns.sources.base import Source
from streamdns.view.apexes import fence_of, zone_keys
from streamdns.view.delete_guard import DeleteGuard
from streamdns.view.reader import kept_snapshot
from streamdns.view.view import View
from streamdns.view.writer import LocalRRset

if TYPE_CHECKING:
    from streamdns.workers.crew import Crew

_log = logs.get("app")

SWITCH_S = 0.0005
#: When Python looks for garbage in cycles. Each time it holds the event loop for as long as there are objects to look
#: at, 15 ms for 20,000 new ones and up to 1 ms for 2,000: so for few at a time, and no oftener than before at those
#: that survived that.
_GARBAGE = (500, 2_000, 50)


def preload_source(settings: Settings) -> None:
    """Import the source's client library before queries are answered, because that takes a while.

    Raises ConfigError for certificate files that cannot be used, and where the library is an extra and not there.
    """
    if settings.source == "kafka":
        from streamdns.sources.kafka.config import from_settings
        from streamdns.sources.kafka.source import preload
        from streamdns.sources.tls import check_files

        config = from_settings(settings)
        check_files(config)
        preload(config)
    elif settings.source == "pulsar":
        from streamdns.sources.pulsar.config import check_installation
        from streamdns.sources.pulsar.config import from_settings as pulsar_config

        check_installation(pulsar_config(settings))


def make_source(settings: Settings) -> Source:
    """Make the source for the log that the settings name; only the client library that it uses is imported."""
    if settings.source == "kafka":
        from streamdns.sources.kafka.config import from_settings
        from streamdns.sources.kafka.source import KafkaSource

        return KafkaSource(from_settings(settings), check_s=settings.kafka_check_interval_s)
    if settings.source == "pulsar":
        from streamdns.sources.pulsar.config import from_settings as pulsar_config
        from streamdns.sources.pulsar.source import PulsarSource

        return PulsarSource(pulsar_config(settings), check_s=settings.pulsar_check_interval_s)
    from streamdns.sources.file import FileSource

    return FileSource(settings.file_log)


def _backoff_max_s(settings: Settings) -> float:
    """Return the longest pause between two attempts to reach the log, which each kind of log has a setting for."""
    longest_s = {"kafka": settings.kafka_backoff_max_s, "pulsar": settings.pulsar_backoff_max_s}
    return longest_s.get(settings.source, 10.0)


class App:
    """All services of one process, made from its settings; raises ConfigError and ViewError."""

    def __init__(self, settings: Settings, load: Callable[[], Settings]) -> None:
        self.settings = settings
        self._load = load
        notifier = Notifier(settings.notify_socket)
        self._listeners = listeners(settings)
        KeptSockets(notifier, settings.handed_over).share_out(self._listeners.inet())
        for address in self._listeners.left_out:
            _log.warning("app.family_missing", setting="DNS_ADDRESS", address=str(address))
        self.registry = Registry()
        process.register(self.registry, started_s=time.monotonic())
        local = local_records.parse(settings.local_records, settings.default_ttl)
        holder = f"streamdns {settings.instance_id} (pid {os.getpid()})"
        self.view = View(settings.pathdb, max_bytes=settings.view_max_bytes, holder=holder)
        self.consumer = self._consumer(local)
        self.crew = self._answer_elsewhere() if settings.workers else None
        self.answering = None if settings.workers else self._answer_here()
        self.status = Status(settings, self.view, self.consumer.progress, self.registry)
        # In order of start; stopped in reverse, so /ready is there to say no for as long as queries are answered.
        self.services: list[Service] = [*self._metrics(), self.consumer]
        self._comparing: list[Service] = []
        self.admin = None if self._listeners.admin is None else self._admin(self._listeners.admin)
        if self.admin is not None:
            self.services += [self.admin, *self._comparing]
        if self.answering is not None:
            self.status.resolver = ResolverAdmin(self.answering.recursor)
            self.services += self.answering.services
        if self.crew is not None:
            self.status.workers = self.crew.states
            if settings.recursion_allow:
                from streamdns.workers.resolver import WorkersResolver

                self.status.resolver = WorkersResolver(self.crew)
            self.services.append(self.crew)
        self.services.append(HubLateness(self.registry))
        self.supervisor = Supervisor(
            self.services,
            stop_timeout_s=settings.stop_timeout_s,
            notifier=notifier,
            watchdog_s=settings.watchdog_s,
            not_ready=self.drain,
            reload=self.reload,
            tick=self.tick,
            status=self.status.line,
        )
        self.status.supervisor = self.supervisor

    def _consumer(self, local: Sequence[LocalRRset]) -> Consumer:
        settings = self.settings
        consumer = Consumer(
            self.view,
            lambda: make_source(self.settings),
            registry=self.registry,
            default_ttl=settings.default_ttl,
            journal_size=settings.journal_size,
            quarantine_size=settings.quarantine_size,
            batch_events=settings.batch_events,
            local=local,
            swap_guard=settings.swap_guard,
            delete_guard=DeleteGuard(settings.delete_guard, int(settings.delete_guard_window_s * 1000)),
            fence=fence_of(settings),
            zones=zone_keys(settings.zones) or (),
            backoff_max_s=_backoff_max_s(settings),
        )
        consumer.progress.stale_after_s = settings.stale_after_s
        return consumer

    def _admin(self, listener: InetListener | UnixListener) -> AdminServer:
        """Make the admin API, and with DNS_PEERS set also the services that compare other nodes with this one."""
        settings, progress = self.settings, self.consumer.progress
        peers_context(settings)
        node = Node(
            settings=lambda: self.settings, view=self.view, progress=progress, registry=self.registry,
            status=self.status, commits=Commits(progress),
            peers=[
                Client(url, token=settings.peers_token, ca=settings.peers_ca, most_bytes=MOST_BYTES)
                for url in settings.peers
            ],
        )
        auditor = peers = None
        if node.peers:
            # One pass may just have gone by when a record is spoilt, and its peers may just have asked.
            interval_s = settings.peers_interval_s / 3
            auditor = Auditor(self.view, progress, registry=self.registry, interval_s=interval_s)
            peers = Peers(node, auditor=auditor, registry=self.registry, interval_s=interval_s)
            self.status.divergence = peers.divergence
            self._comparing = [auditor, peers]
        routes = table.routes(node, peers, auditor)
        return AdminServer(settings, listener, status=self.status, registry=self.registry, content=routes)

    def _metrics(self) -> list[Service]:
        """Make the services that send metrics out of the process."""
        settings = self.settings
        sending = Sending(
            outputs=settings.metrics_outputs,
            tokens=dict(settings.metrics_tokens),
            instance=settings.instance_id,
            prefix=settings.statsd_prefix,
            tags=settings.statsd_tags,
            interval_s=settings.metrics_flush_interval_ms / 1000,
            most_flushes=settings.metrics_buffer_flushes,
        )
        return metrics_services(self._listeners.metrics, sending, self.registry)

    def _answer_here(self) -> Answering:
        """Make what answers queries within this process."""
        return Answering(
            self.settings, self._listeners.dns, take_snapshot=lambda: kept_snapshot(self.view.store),
            registry=self.registry, propagation=self.consumer.progress.propagation,
        )

    def _answer_elsewhere(self) -> Crew:
        """Make what keeps the processes that answer queries (DNS_WORKERS); raises ConfigError."""
        from streamdns.workers.crew import Crew

        settings, served = self.settings, [self.view.store.path]
        if missing := missing_cpus(settings.worker_cpus, os.sched_getaffinity(0)):
            raise ConfigError([f"DNS_WORKER_CPUS: this process may not use {missing}"])
        policy_of(settings)
        if settings.recursion_allow:
            # What is wrong with the settings of the resolver is found here, once.
            from streamdns.resolver.service.from_settings import knowledge_of

            knowledge_of(settings, lambda qname, qtype: None)
        crew = Crew(
            settings, self._listeners.dns, registry=self.registry, environment=environment_of_workers(),
            on_change=lambda: self.supervisor.look(), on_death=lambda: self.view.store.check_readers(),
            on_first_answers=self.consumer.progress.propagation.answers_come_from(
                lambda: (os.path.basename(self.view.store.path), self.view.store.last_commit())
            ),
        )

        def look() -> None:
            if self.view.store.path != served[0]:
                served[0] = self.view.store.path
                crew.follow()

        self.consumer.progress.on_commit(look)
        return crew

    def tick(self) -> None:
        """Mark answers as stale when the log has been out of reach for too long, log what rate limiting held back, and
        let go of an old state of the view that nobody asked since; called once a second.
        """
        self.view.store.let_go(outdated_alone=True)
        stale = self.consumer.progress.stale
        if self.answering is not None:
            self.answering.tick(stale=stale)
        if self.crew is not None:
            self.crew.mark_stale(stale)

    def drain(self) -> None:
        """Answer /ready with no, and wait so that load balancers see it before the sockets close (DNS_DRAIN)."""
        self.status.stop()
        gevent.sleep(self.settings.drain_s)

    def reload(self) -> None:
        """Read the settings again (SIGHUP), take over those that may change while running, and log those that may not.

        Raises ConfigError.
        """
        new = self._load()
        policy_of(new)
        applied, restart = changed(self.settings, new)
        if self.admin is not None:
            self.admin.reload(new)
        logs.setup(new.log_level, new.log_format)
        self.view.set_max_bytes(new.view_max_bytes)
        self.consumer.progress.stale_after_s = new.stale_after_s
        self.consumer.set_swap_guard(new.swap_guard)
        self.consumer.delete_guard.share = new.delete_guard
        self.consumer.expect(zone_keys(new.zones) or ())
        if self.answering is not None:
            self.answering.reload(new)
        taken_over = {BY_NAME[name].attribute: getattr(new, BY_NAME[name].attribute) for name in applied}
        self.settings = replace(self.settings, **taken_over)
        if self.crew is not None:
            self.crew.reload(self.settings)
        _log.info("app.reloaded", applied=" ".join(applied), restart=" ".join(restart))

    def run(self) -> int:
        """Serve until a signal; returns the exit status."""
        try:
            return self.supervisor.run()
        finally:
            self.view.close()


def run(settings: Settings, load: Callable[[], Settings]) -> int:
    """Run streamdns with these settings; `load` reads them again at SIGHUP. Returns the exit status.

    Raises ConfigError and ViewError.
    """
    logs.setup(settings.log_level, settings.log_format)
    with into_the_log():
        try:
            return _run(settings, load)
        except (StreamDNSError, OSError):
            raise
        except Exception as err:  # noqa: BLE001 - the last edge: a fault of ours leaves as a log line, too
            _log.error("app.unexpected", exc=err)
            return EXIT_FAILED
        finally:
            logs.flush(at_end=True)


def _run(settings: Settings, load: Callable[[], Settings]) -> int:
    _log.info("app.starting", version=__version__, instance=settings.instance_id)
    if reason := not_compiled():
        _log.info("app.not_compiled", reason=reason)
    for warning in (*settings.warnings, *open_resolver(settings, gateways())):
        _log.warning("settings.warning", warning=warning)
    use_one_arena()
    preload_source(settings)
    raise_open_files()
    app = App(settings, load)
    plain_only()
    # What was imported and made until now stays; looking through it for garbage again and again costs a tenth.
    gc.freeze()
    gc.set_threshold(*_GARBAGE)
    # While a native thread applies events the event loop gets its turn within half a millisecond instead of five.
    sys.setswitchinterval(SWITCH_S)
    take_short_turns(SWITCH_S)
    return app.run()
