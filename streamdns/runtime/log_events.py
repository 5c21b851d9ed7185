"""The table of log events: everything that streamdns logs, with its meaning; a new event is one new row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class LogEvent(NamedTuple):
    """One row: a stable event name, its level, its meaning for the reader, and the advice what to do ("" = nothing)."""

    name: str
    level: str
    meaning: str
    action: str = ""


LOG_EVENTS: tuple[LogEvent, ...] = (
    LogEvent("app.starting", "info", "The process starts; version and instance are in the fields."),
    LogEvent("app.not_compiled", "info", "What queries go through is not all compiled for this Python and machine "
             "(`reason`): it runs in Python, which answers the same and takes more CPU for each query.",
             "Nothing, where that is fast enough. Otherwise take the deb, the rpm or a compiled wheel "
             "(docs/install.md); in a checkout install a C compiler (Debian: `gcc libc6-dev python3-dev`), then "
             "`make compiled`."),
    LogEvent("app.ready", "info", "Every service has started and queries are answered."),
    LogEvent("app.stopping", "info", "A signal asked the process to stop, or an essential service has died."),
    LogEvent("app.stopped", "info", "Every service has stopped; the process ends."),
    LogEvent("app.reloaded", "info", "SIGHUP: the settings were read again; those in `applied` count from now on, "
             "those in `restart` need a restart."),
    LogEvent("app.reload_failed", "warning", "SIGHUP: the settings could not be read again; those in use stay.",
             "Correct the problem named and send SIGHUP again; `streamdns check` lists all problems."),
    LogEvent("app.hook_failed", "error", "A step of the main loop (`hook`) failed; the services go on.",
             "Report it with the traceback."),
    LogEvent("app.log_lines_lost", "warning", "Whoever reads this log did not take so many lines, for a while or until "
             "now: they are lost, and nothing else is.",
             "Look why the log is not read: journald, the container's log driver, a full disk."),
    LogEvent("app.unexpected", "error", "An exception ended something that nobody waits for; the rest goes on.",
             "Report it with the traceback."),
    LogEvent("app.accept_failed", "error", "Connections to an HTTP address cannot be accepted now; those that are open "
             "go on, and it is tried again.",
             "Look at the error in the fields: usually the limit of open files is too low."),
    LogEvent("app.address_missing", "warning", "This machine does not have an address that is listened on. It is bound "
             "all the same, and works from the moment when the address comes.",
             "Nothing, where it comes later (DHCP, a tunnel, a failover). Otherwise correct the setting."),
    LogEvent("app.socket_forgotten", "info", "systemd kept a socket for the next start, but the settings no longer "
             "want its address."),
    LogEvent("app.family_missing", "warning", "The kernel has no IPv6 (or no IPv4), and an address of a default or of "
             "`:PORT` is left out for that.",
             "Nothing; to be rid of the line, set the addresses one by one."),
    LogEvent("settings.warning", "warning", "A setting is unknown or will have no effect.",
             "Correct the name, or remove the setting."),
    LogEvent("service.started", "debug", "A service has opened what it needs and runs."),
    LogEvent("service.stopped", "debug", "A service has stopped."),
    LogEvent("service.failed", "error", "A service has died; an essential one ends the process, any other is "
             "restarted after `retry_s` seconds.",
             "Read the error in the fields; if there is a `traceback`, it is a fault of streamdns: report it."),
    LogEvent("service.waiting", "error", "A service cannot start yet because of the state of the machine; it is tried "
             "again every few seconds, and everything else goes on.",
             "Read the error in the fields; most often another process has the port (`ss -lnptu`)."),
    LogEvent("service.restarted", "info", "A service that had died runs again."),
    LogEvent("service.stop_timeout", "warning", "A service did not stop before the deadline; the process ends without "
             "waiting for it.",
             "If it happens again, raise DNS_STOP_TIMEOUT and look at what the service was waiting for."),
    LogEvent("workers.answers", "info", "A worker (DNS_WORKERS) answers queries; `restarts` is how often it was "
             "replaced so far."),
    LogEvent("workers.died", "error", "A worker has ended or was killed because it gave no sign of life. Another "
             "process takes its place after `retry_s` seconds, and answers what waits in its sockets meanwhile.",
             "Read the error in the fields. If it happens again: SIGKILL is often the kernel's, for want of memory "
             "(`journalctl -k`); no sign of life is a machine that is overloaded, or a fault of streamdns."),
    LogEvent("workers.start_failed", "error", "A process that shall be a worker could not be started, or ended while "
             "it was loading; another one is started after `retry_s` seconds.",
             "Read the error in the fields: the limit of processes or the memory of the machine or the unit, or an "
             "installation that was changed while the server runs: restart it."),
    LogEvent("workers.killed", "warning", "Workers did not stop in time and were killed (`pids`).",
             "If it happens again, raise DNS_STOP_TIMEOUT."),
    LogEvent("workers.cpu_missing", "warning", "A worker cannot be bound to its CPU of DNS_WORKER_CPUS, and runs on "
             "any.",
             "Look which CPUs the unit or the container may use, and correct DNS_WORKER_CPUS."),
    LogEvent("workers.view_followed", "debug", "A worker answers from the view that was swapped in."),
    LogEvent("consumer.connected", "info", "The log is being read; the source and its partitions are in the fields."),
    LogEvent("consumer.reconnecting", "warning", "The log cannot be read now; the consumer tries again after `retry_s` "
             "seconds, and queries are answered from the last good view meanwhile.",
             "Look at the error in the fields: the file's permissions, or the broker and the network to it."),
    LogEvent("consumer.stalled", "error", "The log has new events, but the client library delivered none and reported "
             "no error. The consumer drops this client and reads on with a new one.",
             "Look at the broker and the network to it. If it happens again and the broker is well, report it."),
    LogEvent("consumer.log_unwise", "warning", "The log has a setting that is risky for a name server; `warning` says "
             "which.",
             "Do what `warning` says, or know the risk: docs/kafka.md and docs/pulsar.md have the reasons."),
    LogEvent("consumer.caught_up", "info", "The view has caught up with the log."),
    LogEvent("consumer.log_replaced", "error", "The log is not the one the view was made from: it was cut, re-created "
             "or exchanged. A new view is built while the old one serves.",
             "Find out who replaced the log. If it was a mistake, put the right log back."),
    LogEvent("consumer.rebuild_started", "info", "A new view is being filled from the start of the log; the old one "
             "serves meanwhile."),
    LogEvent("consumer.rebuild_swapped", "info", "The new view is complete and serves from now on; `added`, `removed` "
             "and `changed` count the RRsets in which it differs from the old one, if that could be read."),
    LogEvent("consumer.rebuild_held", "error", "A rebuilt view has all of the log and does not take over: more zones "
             "or RRsets would go away by it than DNS_SWAP_GUARD allows. The old one serves on; the new one follows the "
             "log and takes over by itself once the difference is small enough.",
             "Find out what became of the log, and put its data back. If it is meant, `streamdns rebuild --accept` "
             "shows what goes away, and lets it."),
    LogEvent("consumer.rebuild_accepted", "warning", "Somebody has said that a view that was held may take over; so "
             "many zones and RRsets go away."),
    LogEvent("consumer.acceptance_void", "warning", "Somebody accepted a view that is held, but by now more would go "
             "away than was shown to them: it is held on.",
             "`streamdns rebuild --accept` shows what goes away now."),
    LogEvent("consumer.many_deletes", "error", "The events of the last minutes deleted more of a zone, or of all "
             "zones, than DNS_DELETE_GUARD; they are applied all the same. `reason` has the figures; the journal is "
             "marked.",
             "Nothing, if it is meant. A mistake is put back with `streamdns journal --since TIME --undo`."),
    LogEvent("consumer.rebuild_refused", "error", "Somebody asked for a rebuild, but the disk has no room for a second "
             "view.", "Make room and run `streamdns rebuild` again."),
    LogEvent("consumer.away_too_long", "error", "The log was not read to its end for longer than it keeps deletes: "
             "names that were deleted meanwhile may still be in the view. A new one is built while the old one serves.",
             "Nothing, if you know of the outage. Set delete.retention.ms of the topic to more than the longest one."),
    LogEvent("consumer.log_too_slow", "error", "Reading the log from its beginning took longer than it keeps deletes: "
             "names that were deleted meanwhile may still be in the view.",
             "Set delete.retention.ms of the topic to more than a rebuild takes, then run `streamdns rebuild`."),
    LogEvent("consumer.event_rejected", "warning", "An event could not be decoded or validated and is in the "
             "quarantine; the last good RRset of its key stays.",
             "`streamdns quarantine` lists the reasons; the next good event of the key clears the entry."),
    LogEvent("consumer.batch_passed_over", "error", "A batch of the log came whole and cannot be unpacked: "
             "nobody can tell which names its events are about, so all of it was passed over and is one entry of the "
             "quarantine. All nodes pass over the same batches.",
             "`streamdns quarantine` has its offsets. Find out who wrote it, and have its events written again."),
    LogEvent("consumer.zone_claimed", "error", "The log has a SOA at the root, at a single label or at a public "
             "suffix: the zone takes a name of the Internet from all clients of this server. It is served, and listed "
             "as a conflict.",
             "If it is wanted, name the zone in DNS_ZONES. If not, delete its SOA, find its producer, and set "
             "DNS_ZONES_ALLOW."),
    LogEvent("consumer.metadatas_left_out", "warning", "An event has more provenance than is kept (a producer of more "
             "than 255 octets, or metadatas of more than 4 KiB); its records stand without it.",
             "Find the event by topic, partition and position; its producer should say less about itself."),
    LogEvent("consumer.view_full", "error", "There is no room for the view (disk or DNS_VIEW_MAX_BYTES): new events "
             "are not read, but queries are answered.",
             "Make room on the disk, or raise DNS_VIEW_MAX_BYTES and send SIGHUP; reading then goes on by itself."),
    LogEvent("consumer.view_recovered", "info", "There is room again, and new events are read."),
    LogEvent("view.opened", "info", "The view is open; its path, zones and records are in the fields."),
    LogEvent("view.grown", "info", "The memory map of the view was made larger."),
    LogEvent("view.rebuild_needed", "warning", "An older version made the view, or its data cannot be trusted; a new "
             "one is built from the log. `reason` says why."),
    LogEvent("view.audit_failed", "error", "The records of the view do not match their digests: something changed the "
             "stored data. `zones` are those that differ.",
             "Look for what changed the files (disk, memory, another program); `streamdns compare` against another "
             "node finds the names, `streamdns rebuild` makes the view anew."),
    LogEvent("nodes.unreachable", "warning", "A node of DNS_PEERS does not answer; it is asked again later.",
             "Look at the error in the fields: the node, the network to it, DNS_PEERS_TOKEN."),
    LogEvent("nodes.diverged", "error", "Another node holds other data although it has read the log to the same place; "
             "`where` says to which, `zones` are the first that differ.",
             "`streamdns compare NODE` finds the names; the log says which node is right, and `streamdns rebuild` on "
             "the other one makes its view anew."),
    LogEvent("nodes.agree", "info", "A node that had diverged holds the same data again."),
    LogEvent("dns.listening", "info", "Queries are answered at this address."),
    LogEvent("dns.query_failed", "error", "Answering a query failed because of a fault in streamdns; the answer was "
             "SERVFAIL.",
             "Report it with the traceback."),
    LogEvent("dns.rate_limited", "warning", "More equal answers were asked for by one network than DNS_RRL_RATE "
             "allows, so they were dropped or truncated (with `log_only`: would have been). `prefix`, `zone` and "
             "`answer` are those of the most that were `held_back`; at most one line a minute.",
             "Most often somebody forges the addresses of that network to flood it: nothing. If real clients are "
             "there, name it in DNS_RRL_EXEMPT, or raise DNS_RRL_RATE."),
    LogEvent("dns.view_unreadable", "error", "The view cannot be read now; queries are answered with SERVFAIL.",
             "Look at the error in the fields: the disk, or the limits of the process."),
    LogEvent("dns.socket_failed", "error", "Reading from or writing to a UDP socket failed; the socket stays in use.",
             "Look at the error in the fields; it usually comes from the kernel or its network devices."),
    LogEvent("dns.accept_failed", "error", "New TCP connections cannot be accepted now; those that are open go on.",
             "Look at the error in the fields: usually the limit of open files is too low."),
    LogEvent("resolver.primed", "info", "A root server gave the list of root servers; `servers` are their addresses."),
    LogEvent("resolver.priming_failed", "warning", "No root server gave the list of root servers; the known ones stay "
             "in use and are asked again.",
             "Check that this machine reaches the Internet at port 53, over UDP and TCP; or set "
             "DNS_RESOLVER_ADDRESS."),
    LogEvent("resolver.limit_reached", "warning", "Too many questions are being resolved at the same time, in all or "
             "for one network of clients; more are answered with SERVFAIL.",
             "Check whether a client floods; otherwise raise DNS_RECURSION_LIMIT or DNS_RECURSION_CLIENT_LIMIT."),
    LogEvent("resolver.failed", "error", "Resolving a name failed because of a fault in streamdns; the answer was "
             "SERVFAIL.",
             "Report it with the traceback."),
    LogEvent("metrics.listening", "info", "/metrics for Prometheus is served at this address."),
    LogEvent("metrics.output_failed", "warning", "Metrics cannot be sent to an output; `metrics.lost` counts what it "
             "loses, and everything else goes on.",
             "Look at the error in the fields: the address, the network to it, the token. Sending is tried again by "
             "itself."),
    LogEvent("metrics.output_recovered", "info", "Metrics can be sent to the output again."),
    LogEvent("admin.listening", "info", "The admin API is served at this address."),
    LogEvent("admin.view_unreadable", "error", "An admin request was answered with 503: the view cannot be read now.",
             "Look at the error in the fields: the disk, or a damaged view, which `streamdns rebuild` replaces."),
    LogEvent("admin.request_failed", "error", "An admin request failed because of a fault in streamdns; the answer was "
             "500.",
             "Report it with the traceback."),
    LogEvent("admin.limit_reached", "warning", "The admin API has as many open connections as it allows; it closes "
             "the one that has been waiting for a request the longest.",
             "Find out who holds them open; a firewall keeps strangers away."),
    LogEvent("admin.open", "warning", "The admin API is served without authentication to more than this machine, "
             "because DNS_ADMIN_INSECURE says so.",
             "Set DNS_ADMIN_USERS or DNS_ADMIN_JWTSECRET, and remove DNS_ADMIN_INSECURE."),
    LogEvent("admin.key_made", "info", "Tokens are signed with a random key made at this start, so they are not valid "
             "after a restart.",
             "Set DNS_ADMIN_JWTSECRET for tokens that stay valid."),
    LogEvent("admin.signed_in", "info", "A user has signed in to the admin API."),
    LogEvent("admin.signin_refused", "warning", "Somebody tried to sign in to the admin API with a wrong name or "
             "password.",
             "If it goes on, block the address; streamdns delays further attempts."),
    LogEvent("admin.changed", "info", "Somebody changed something through the admin API; the fields say who and what."),
    LogEvent("admin.users_missing", "warning", "DNS_ADMIN_USERS names a file that is not there; only the user of "
             "DNS_ADMIN_USERNAME can sign in.",
             "Make it with `streamdns user add NAME --role ROLE`, or correct the setting."),
    LogEvent("admin.file_unreadable", "error", "The file of users or of revoked tokens cannot be read; everyone who "
             "would have to be looked up there is refused.",
             "Look at the file named in the fields, and at its permissions."),
    LogEvent("admin.certificate", "info", "Connections to the admin API are encrypted with this certificate."),
    LogEvent("tcp.client_limit_reached", "warning", "A client has as many TCP connections open as "
             "DNS_TCP_CLIENT_CONNECTIONS allows; the one that has been silent the longest is closed.",
             "If it is a resolver of many users or a proxy, raise DNS_TCP_CLIENT_CONNECTIONS."),
    LogEvent("tcp.limit_reached", "warning", "As many TCP connections are open as DNS_TCP_CONNECTIONS allows; the one "
             "that has been silent the longest is closed.",
             "If these are real clients, raise DNS_TCP_CONNECTIONS and the limit of open files."),
    LogEvent("library.message", "warning", "A library that streamdns uses logged a message; it is in the fields."),
)

BY_NAME: Mapping[str, LogEvent] = {event.name: event for event in LOG_EVENTS}


def markdown() -> str:
    """Write the page docs/log-messages.md from the table."""
    head = (
        "# Log messages\n\n"
        "Made from the table in streamdns/runtime/log_events.py by docs/generate.py; change it there.\n\n"
        "Log lines go to stderr, one line an event: with `LOG_FORMAT=json` an object with `ts` (UTC), `level`, "
        "`event`, `component` and then\nfields; with `LOG_FORMAT=plain` the same for people. An event that "
        "repeats too often is summarised: `repeated` says how many\nlines were left out.\n\n"
        "| event | level | meaning | what to do |\n| --- | --- | --- | --- |\n"
    )
    return head + "".join(
        f"| `{event.name}` | {event.level} | {event.meaning} | {event.action or '–'} |\n"
        for event in sorted(LOG_EVENTS, key=lambda event: event.name)
    )
