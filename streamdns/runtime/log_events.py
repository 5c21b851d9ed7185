"""The table of log events: every line that streamdns logs is one of these; a new one is one new row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class LogEvent(NamedTuple):
    """A stable event name, its level, what it means, and what to do about it ("" = nothing)."""

    name: str
    level: str
    meaning: str
    action: str = ""


LOG_EVENTS: tuple[LogEvent, ...] = (
    LogEvent("app.starting", "info", "The process starts; version and instance are in the fields."),
    LogEvent("app.ready", "info", "Every service has started and queries are answered."),
    LogEvent("app.stopping", "info", "A signal asked the process to stop, or an essential service has died."),
    LogEvent("app.stopped", "info", "Every service has stopped; the process ends."),
    LogEvent("app.reloaded", "info", "SIGHUP: the settings were read again; `applied` were taken over, `restart` need "
             "a restart."),
    LogEvent("app.reload_failed", "warning", "SIGHUP: the settings could not be read again; those in use stay.",
             "Correct the problem named and send SIGHUP again; `streamdns check` lists all problems."),
    LogEvent("app.hook_failed", "error", "A part of the main loop failed; the services go on.",
             "Report it with the traceback."),
    LogEvent("settings.warning", "warning", "A setting is unknown or will have no effect.",
             "Correct the name, or remove the setting."),
    LogEvent("service.started", "debug", "A service has acquired what it needs and runs."),
    LogEvent("service.stopped", "debug", "A service has stopped."),
    LogEvent("service.failed", "error", "A service has died; an essential one ends the process, any other is "
             "restarted after `retry_s` seconds.",
             "Read the error in the fields; with `traceback` it is a fault of streamdns: report it."),
    LogEvent("service.restarted", "info", "A service that had died runs again."),
    LogEvent("service.stop_timeout", "warning", "A service did not stop before the deadline and was left behind.",
             "If it happens again, raise DNS_STOP_TIMEOUT and look at what the service was waiting for."),
    LogEvent("consumer.connected", "info", "The log is being read; the source and its partitions are in the fields."),
    LogEvent("consumer.reconnecting", "warning", "The log cannot be read now; it is tried again after `retry_s` "
             "seconds, and answers go on from the last good view.",
             "Look at the error in the fields: the file's permissions, or the broker and the way to it."),
    LogEvent("consumer.stalled", "error", "The log went on and nothing of it came, from a client that said nothing "
             "was wrong. It was thrown away, and a new one reads on.",
             "Look at the broker and the way to it. If it happens again and the broker is well, report it."),
    LogEvent("consumer.log_unwise", "warning", "Something about the log is not as it should be for a name server.",
             "Do what the sentence says, or know what it costs: docs/kafka.md has the reasons."),
    LogEvent("consumer.caught_up", "info", "The view has caught up with the log."),
    LogEvent("consumer.log_replaced", "error", "The log is not the one the view was made from: it was cut, re-created "
             "or exchanged. The view is rebuilt beside the one that serves.",
             "Find out who replaced the log. If it was a mistake, put the right log back."),
    LogEvent("consumer.rebuild_started", "info", "A new view is being filled from the start of the log; the old one "
             "serves meanwhile."),
    LogEvent("consumer.rebuild_swapped", "info", "The new view is complete and serves from now on; `added`, `removed` "
             "and `changed` are the RRsets in which it differs from the one before, where that could be read."),
    LogEvent("consumer.rebuild_refused", "error", "Somebody asked for a rebuild, and there is no room for a second "
             "view on the disk.", "Make room and run `streamdns rebuild` again."),
    LogEvent("consumer.away_too_long", "error", "The log was not read to its end for longer than it keeps deletes: "
             "names that were deleted meanwhile may still be in the view, which is rebuilt beside the one that serves.",
             "Nothing, when the outage is known. Set delete.retention.ms of the topic to more than the longest one."),
    LogEvent("consumer.log_too_slow", "error", "Reading the log from its beginning took longer than it keeps deletes: "
             "names that were deleted meanwhile may still be in the view.",
             "Set delete.retention.ms of the topic to more than a rebuild takes, then run `streamdns rebuild`."),
    LogEvent("consumer.event_rejected", "warning", "An event could not be decoded or validated and is in the "
             "quarantine; the last good RRset of its key stays.",
             "`streamdns quarantine` lists the reasons; the next good event of the key clears the entry."),
    LogEvent("consumer.view_full", "error", "There is no room for the view (disk or DNS_VIEW_MAX_BYTES): the log is "
             "not read on, answers go on.",
             "Make room on the disk, or raise DNS_VIEW_MAX_BYTES and send SIGHUP; the rest happens by itself."),
    LogEvent("consumer.view_recovered", "info", "There is room again and the log is read on."),
    LogEvent("view.opened", "info", "The view is open; its path, zones and records are in the fields."),
    LogEvent("view.grown", "info", "The map of the view was made larger."),
    LogEvent("view.rebuild_needed", "warning", "The view is of an older version or cannot be trusted, and is rebuilt "
             "from the log."),
    LogEvent("view.audit_failed", "error", "The records of the view were hashed anew and are not what the digests "
             "say: `zones` are those that differ.",
             "Look for what changed the files (disk, memory, another program); `streamdns compare` against another "
             "node finds the names, `streamdns rebuild` makes the view anew."),
    LogEvent("nodes.unreachable", "warning", "A node of DNS_PEERS cannot be asked; it is tried again.",
             "Look at the error in the fields: the node, the way to it, DNS_PEERS_TOKEN."),
    LogEvent("nodes.diverged", "error", "Another node does not hold the same data at the same place of the log; "
             "`where` says at which, `zones` are the first that differ.",
             "`streamdns compare NODE` finds the names; the log says which node is right, and `streamdns rebuild` on "
             "the other one makes its view anew."),
    LogEvent("nodes.agree", "info", "A node that had diverged holds the same data again."),
    LogEvent("dns.listening", "info", "Queries are answered at this address."),
    LogEvent("dns.query_failed", "error", "A query met a fault of streamdns and was answered with SERVFAIL.",
             "Report it with the traceback."),
    LogEvent("dns.view_unreadable", "error", "The view cannot be read now; queries are answered with SERVFAIL.",
             "Look at the error in the fields: the disk, or the limits of the process."),
    LogEvent("dns.socket_failed", "error", "Reading from or writing to a UDP socket failed; the socket stays in use.",
             "Look at the error in the fields; it usually comes from the kernel or its network devices."),
    LogEvent("dns.accept_failed", "error", "TCP connections cannot be accepted now; those that are open go on.",
             "Look at the error in the fields: usually the limit of open files is too low."),
    LogEvent("resolver.primed", "info", "The root servers were asked who they are; `servers` are their addresses."),
    LogEvent("resolver.priming_failed", "warning", "No root server said who the root servers are; those that are known "
             "stay in use, and they are asked again.",
             "Look whether this machine reaches the Internet at port 53, over UDP and TCP; or set "
             "DNS_RESOLVER_ADDRESS."),
    LogEvent("resolver.limit_reached", "warning", "Too many questions are being resolved at a time, in all or of one "
             "client; more are answered with SERVFAIL.",
             "Look whether a client floods; otherwise raise DNS_RECURSION_LIMIT or DNS_RECURSION_CLIENT_LIMIT."),
    LogEvent("resolver.failed", "error", "A resolution met a fault of streamdns and was answered with SERVFAIL.",
             "Report it with the traceback."),
    LogEvent("metrics.listening", "info", "Prometheus finds /metrics at this address."),
    LogEvent("metrics.output_failed", "warning", "An output of metrics stopped taking them; `metrics.lost` counts what "
             "it loses, and everything else goes on.",
             "Look at the error in the fields: the address, the way to it, the token. It is tried again by itself."),
    LogEvent("metrics.output_recovered", "info", "An output of metrics takes them again."),
    LogEvent("admin.listening", "info", "The admin HTTP interface listens at this address."),
    LogEvent("admin.view_unreadable", "error", "An admin request was answered with 503: the view cannot be read now.",
             "Look at the error in the fields: the disk, or a damaged view, which `streamdns rebuild` makes anew."),
    LogEvent("admin.request_failed", "error", "An admin request met a fault of streamdns and was answered with 500.",
             "Report it with the traceback."),
    LogEvent("admin.limit_reached", "warning", "As many connections to the admin API are open as may be; the one that "
             "has been waiting the longest is closed.",
             "Look who holds them open; a firewall keeps strangers away."),
    LogEvent("admin.open", "warning", "The admin API is served without authentication to more than this machine, "
             "because DNS_ADMIN_INSECURE says so.",
             "Set DNS_ADMIN_USERS or DNS_ADMIN_JWTSECRET, and take DNS_ADMIN_INSECURE away."),
    LogEvent("admin.key_made", "info", "Tokens are signed with a key made at this start: they end with the process.",
             "Set DNS_ADMIN_JWTSECRET for tokens that outlive it."),
    LogEvent("admin.signed_in", "info", "A user has signed in to the admin API."),
    LogEvent("admin.signin_refused", "warning", "Somebody tried to sign in to the admin API with a wrong name or "
             "password.",
             "If it goes on, keep the address away; the next attempts are delayed meanwhile."),
    LogEvent("admin.changed", "info", "Somebody did through the admin API what changes something: who, and what."),
    LogEvent("admin.file_unreadable", "error", "The file of users or of revoked tokens cannot be read; nobody who "
             "would have to be looked up there is let in.",
             "Look at the file named, and who may read it."),
    LogEvent("admin.certificate", "info", "Connections to the admin API are encrypted with this certificate."),
    LogEvent("tcp.limit_reached", "warning", "DNS_TCP_CONNECTIONS are open; the longest silent one makes room.",
             "If these are real clients, raise DNS_TCP_CONNECTIONS and the limit of open files."),
    LogEvent("library.message", "warning", "A library that streamdns uses had something to say."),
)

BY_NAME: Mapping[str, LogEvent] = {event.name: event for event in LOG_EVENTS}


def markdown() -> str:
    """The page docs/log-messages.md."""
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
