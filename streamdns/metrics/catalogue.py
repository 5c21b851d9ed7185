"""The table of metrics: name, kind, labels, unit and meaning. A new metric is one new row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

Kind = Literal["counter", "gauge", "histogram"]

OTHER = "other"
MAX_LABEL_VALUES = 64
"""The most values of a label that is not in LABEL_VALUES; what comes later is counted as OTHER."""

_QTYPES = (
    "A", "NS", "CNAME", "SOA", "PTR", "HINFO", "MX", "TXT", "RP", "AFSDB", "AAAA", "LOC", "SRV", "NAPTR", "CERT",
    "DNAME", "DS", "SSHFP", "IPSECKEY", "RRSIG", "NSEC", "DNSKEY", "NSEC3", "NSEC3PARAM", "TLSA", "SMIMEA", "CDS",
    "CDNSKEY", "OPENPGPKEY", "CSYNC", "ZONEMD", "SVCB", "HTTPS", "SPF", "EUI48", "EUI64", "IXFR", "AXFR", "ANY", "URI",
    "CAA",
)
_RCODES = ("NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "BADVERS", "BADCOOKIE")

LABEL_VALUES: Mapping[str, frozenset[str]] = {
    "transport": frozenset({"udp", "tcp"}),
    "qtype": frozenset(_QTYPES),
    "rcode": frozenset(_RCODES),
    "limit": frozenset({"all", "client", "gave_way"}),
    "outcome": frozenset({"ok", "wrong", "delayed"}),
    "action": frozenset({"dropped", "truncated", "sent", "logged"}),
}
"""The values that a label may have; any other value is counted as OTHER."""


class Metric(NamedTuple):
    """One row: the name is <component>.<noun>[_<unit>]; buckets are the ascending upper bounds of a histogram."""

    name: str
    kind: Kind
    description: str
    labels: tuple[str, ...] = ()
    unit: str = ""
    buckets: tuple[float, ...] = ()


_PROPAGATION = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0, 86400.0
)

METRICS: tuple[Metric, ...] = (
    Metric("dns.queries", "counter", "Queries that were answered; those refused have the rcode REFUSED. Answers "
           "that rate limiting drops are counted here as well.",
           ("transport", "qtype", "rcode")),
    Metric("dns.truncated", "counter", "Answers that were cut to fit, with TC set.", ("transport",)),
    Metric("dns.dropped", "counter", "Packets that got no answer.", ("reason",)),
    Metric("dns.rate_limited", "counter", "Answers over UDP beyond DNS_RRL_RATE, by what became of them: dropped, sent "
           "truncated, sent as they are (errors, in their turn of DNS_RRL_SLIP), or only logged (DNS_RRL_LOG_ONLY).",
           ("action",)),
    Metric("dns.networks_watched", "gauge", "Networks of clients (/24, /56) that lately got half as many equal answers "
           "as DNS_RRL_RATE allows, so that each answer to them is counted."),
    Metric("dns.exceptions", "counter", "Faults of streamdns met while answering; each was answered with SERVFAIL."),
    Metric("dns.latency_seconds", "histogram", "Time from reading a query to handing over its answer.", ("transport",),
           "seconds", (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)),
    Metric("dns.in_flight", "gauge", "Queries that are not answered yet: those that wait for the resolver. All others "
           "are answered in the turn in which they are read."),
    Metric("dns.tcp_connections", "gauge", "TCP connections that are open."),
    Metric("dns.tcp_accepted", "counter", "TCP connections that were accepted."),
    Metric("dns.tcp_refused", "counter", "TCP connections closed to make room for new ones, the longest silent first."),
    Metric("dns.bytes_in", "counter", "Bytes of queries.", ("transport",), "bytes"),
    Metric("dns.bytes_out", "counter", "Bytes of answers.", ("transport",), "bytes"),
    Metric("consumer.applied", "counter", "Events that were applied to the view."),
    Metric("consumer.deletes", "counter", "Events that were applied and delete an RRset."),
    Metric("consumer.rejected", "counter", "Events that went into the quarantine, by what was wrong: the key, the "
           "value as JSON, a field of a record, the content of one, the size, the entry of the log, a whole batch "
           "of it; or its name is one that the settings keep out.", ("reason",)),
    Metric("consumer.metadatas_left_out", "counter", "Events whose provenance was too long to be kept; their records "
           "stand."),
    Metric("consumer.lag_bytes", "gauge", "Bytes of the file log that are not in the view yet; none while it "
           "cannot be read.", (), "bytes"),
    Metric("consumer.lag_events", "gauge", "Events of the log that are not in the view yet, where the source "
           "knows; none while it cannot be read."),
    Metric("consumer.lag_seconds", "gauge", "Time since the view had all of the log; 0 when it has caught up.", (),
           "seconds"),
    Metric("consumer.apply_seconds", "histogram", "Time to apply and commit one batch of events.", (), "seconds",
           (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)),
    Metric("consumer.reconnects", "counter", "Times the log had to be connected again."),
    Metric("consumer.rebuilds", "counter", "Times the view was rebuilt from the start of the log."),
    Metric("consumer.state", "gauge", "1 for the state that the consumer is in, 0 for all others.", ("state",)),
    Metric("consumer.held", "gauge", "Whether a rebuilt view waits because more would go away by it than "
           "DNS_SWAP_GUARD allows: 1 or 0."),
    Metric("consumer.stale", "gauge", "Whether the log has been out of reach, the view full, or a rebuilt view held, "
           "for longer than DNS_STALE_AFTER: 1 or 0."),
    Metric("consumer.alarms", "counter", "What an administrator must know: the log was replaced or cut, was not read "
           "for longer than it keeps deletes, took too long to read, went on while nothing of it came; the view was "
           "damaged; there is no room for a rebuild; a rebuilt view is held; "
           "many deletes came within minutes.", ("reason",)),
    Metric("propagation.committed_seconds", "histogram", "Time from an event's timestamp until it was in the view that "
           "serves. What fills a view that does not serve yet is not counted.", ("source",), "seconds", _PROPAGATION),
    Metric("propagation.answered_seconds", "histogram", "Time from an event's timestamp until the first answer that "
           "could show it; of more than 4096 events between two answers the last are counted. With DNS_WORKERS "
           "that of all workers, a second later.", ("source",), "seconds",
           _PROPAGATION),
    Metric("propagation.skewed", "counter", "Events whose timestamp was later than their commit: the clock of their "
           "producer or broker is ahead of this one's. They are in no histogram.", ("source",)),
    Metric("resolver.queries", "counter", "Queries for names that are not ours, from clients for whom they are "
           "resolved."),
    Metric("resolver.hits", "counter", "Queries for foreign names that were answered from the cache."),
    Metric("resolver.misses", "counter", "Queries for foreign names for which name servers had to be asked."),
    Metric("resolver.failures", "counter", "Resolutions that ended with SERVFAIL."),
    Metric("resolver.outgoing", "counter", "Queries to name servers, by what came of them.", ("transport", "result")),
    Metric("resolver.rtt_seconds", "histogram", "Time until a name server responded.", (), "seconds",
           (0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.5)),
    Metric("resolver.limited", "counter", "Queries that were answered with SERVFAIL because too many were being "
           "resolved: in all, of the client's network, or others needed the place (gave_way).", ("limit",)),
    Metric("resolver.given_up", "counter", "Resolutions in which a limit was met: of one question its time, queries "
           "sent, delegations on the way, aliases in a row, lookups of name servers, and work (CPU time); or of what "
           "is on its way to the servers of a zone, or to a server.", ("reason",)),
    Metric("resolver.cpu_seconds", "counter", "CPU time that resolutions took: to read what name servers sent, to "
           "judge it and to send the next queries.", (), "seconds"),
    Metric("resolver.stale", "counter", "Answers with what was known last, because no name server of the zone "
           "answered."),
    Metric("resolver.prefetches", "counter", "Resolutions of what is asked for often, begun shortly before its end."),
    Metric("resolver.running", "gauge", "Questions that are being resolved."),
    Metric("resolver.exceptions", "counter", "Faults of streamdns met while resolving; each was answered with "
           "SERVFAIL."),
    Metric("resolver.cache_bytes", "gauge", "Memory of the resolver's cache, by its own estimate.", (), "bytes"),
    Metric("resolver.cache_entries", "gauge", "Entries of the resolver's cache: RRsets, and answers as they are sent."),
    Metric("resolver.cache_evicted", "counter", "Entries that were removed from the resolver's cache to make room."),
    Metric("view.zones", "gauge", "Zones in the view."),
    Metric("view.nodes", "gauge", "Owner names in the view."),
    Metric("view.rrsets", "gauge", "RRsets in the view."),
    Metric("view.records", "gauge", "Records in the view."),
    Metric("view.size_bytes", "gauge", "Bytes of the view that hold data.", (), "bytes"),
    Metric("view.map_bytes", "gauge", "Size of the view's map, up to which data fits without growing.", (), "bytes"),
    Metric("view.max_bytes", "gauge", "Size up to which the view's map may grow: DNS_VIEW_MAX_BYTES.", (), "bytes"),
    Metric("view.free_bytes", "gauge", "Free space of the view's disk.", (), "bytes"),
    Metric("view.commits", "counter", "Transactions that were committed to the view."),
    Metric("view.quarantined", "gauge", "Rejected events in the quarantine."),
    Metric("view.conflicts", "gauge", "RRsets of the log that contradict each other: see `streamdns conflicts`."),
    Metric("admin.requests", "counter", "Well-formed requests to the admin API."),
    Metric("admin.refused", "counter", "Requests to the admin API that were refused unread: malformed, too large, too "
           "slow."),
    Metric("admin.connections", "gauge", "Connections to the admin API that are open."),
    Metric("admin.denied", "counter", "Requests to the admin API without the token or the role that they need."),
    Metric("admin.signins", "counter", "Attempts to sign in to the admin API, by what came of them: ok, wrong, or "
           "delayed without a check.", ("outcome",)),
    Metric("view.audits", "counter", "Times that all records of the view were hashed anew and compared with its "
           "digests."),
    Metric("view.audit_wrong", "gauge", "Zones whose records are not what their digest says, as of the last time."),
    Metric("nodes.unreachable", "gauge", "Nodes of DNS_PEERS that could not be asked the last time."),
    Metric("nodes.diverged", "gauge", "Nodes of DNS_PEERS that do not hold the same data as this one."),
    Metric("process.cpu_seconds", "counter", "CPU time of the process, user and system.", (), "seconds"),
    Metric("process.resident_bytes", "gauge", "Resident memory of the process, the view's mapped pages included.", (),
           "bytes"),
    Metric("process.descriptors", "gauge", "Open file descriptors of the process."),
    Metric("process.descriptors_max", "gauge", "File descriptors that the process may have open."),
    Metric("process.hub_late_seconds", "histogram", "How late the event loop runs a task that is due, measured 50 "
           "times a second.", (), "seconds",
           (0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 0.25, 1.0)),
    Metric("process.hub_late_max_seconds", "gauge", "The longest delay of the event loop within the last minute.", (),
           "seconds"),
    Metric("process.ready", "gauge", "Whether this node should get queries, as /ready says: 1 or 0."),
    Metric("workers.up", "gauge", "Whether a worker (DNS_WORKERS) answers queries: 1 or 0. What workers count, such as "
           "dns.queries, is in the metrics of those names, a fifth of a second later.", ("worker",)),
    Metric("workers.restarts", "counter", "Times that a worker was replaced.", ("worker",)),
    Metric("workers.queries", "counter", "Queries that a worker answered.", ("worker",)),
    Metric("workers.cpu_seconds", "counter", "CPU time of a worker, user and system.", ("worker",), "seconds"),
    Metric("workers.resident_bytes", "gauge", "Resident memory of a worker, the view's mapped pages included.",
           ("worker",), "bytes"),
    Metric("workers.hub_late_max_seconds", "gauge", "The longest delay of a worker's event loop within the last "
           "minute.", ("worker",), "seconds"),
    Metric("metrics.sent", "counter", "Figures that an output has taken.", ("output",)),
    Metric("metrics.lost", "counter", "Figures that were lost because their output was slow or down.", ("output",)),
    Metric("metrics.output_up", "gauge", "Whether an output took the last flush: 1 or 0.", ("output",)),
    Metric("process.log_lines_lost", "counter", "Log lines that nobody took: whoever reads the log stood "
           "still or was gone."),
    Metric("process.uptime_seconds", "gauge", "Time since the start of the process.", (), "seconds"),
)

BY_NAME: Mapping[str, Metric] = {metric.name: metric for metric in METRICS}


def prometheus_name(metric: Metric) -> str:
    """Return the name in Prometheus: streamdns_<component>_<noun>, with _total at the end of a counter."""
    return "streamdns_" + metric.name.replace(".", "_") + ("_total" if metric.kind == "counter" else "")


def markdown() -> str:
    """Return the page docs/metrics.md."""
    head = (
        "# Metrics\n\n"
        "Made from the table in streamdns/metrics/catalogue.py by docs/generate.py; change it there.\n\n"
        "`/metrics` shows them in Prometheus's text format: at `DNS_METRICS_ADDRESS`, which asks for no token and has "
        "nothing else, and at\nthe admin interface. [metrics-outputs.md](metrics-outputs.md) says what statsd, "
        "InfluxDB, Warp 10 and standard output get, and how\nanother output is added; [operations.md](operations.md) "
        "what to do when one of them is an alarm. `packaging/` has alarms for\nPrometheus and a dashboard for Grafana. "
        "Counters only grow while the process lives.\n\n"
        f"A label value that is not known, or one of more than {MAX_LABEL_VALUES} values of its label, is counted as "
        f"`{OTHER}`.\n\n"
        "| metric | in Prometheus | kind | labels | unit | meaning |\n| --- | --- | --- | --- | --- | --- |\n"
    )
    return head + "".join(
        f"| `{metric.name}` | `{prometheus_name(metric)}` | {metric.kind} | "
        f"{', '.join(metric.labels) or '–'} | {metric.unit or '–'} | {metric.description} |\n"
        for metric in METRICS
    )
