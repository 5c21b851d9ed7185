"""What needs a person, worst first: each line says what is the matter, and on which screen to go on. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from streamdns.admin.schema.state import NodeStatus

from . import format as fmt
from .lines import printable
from .model import SEVERITY, Link, Meaning, Node, Snapshot
from .state import progress_of, state_of

#: A node that is behind by more than this is told of.
_BEHIND_S = 10.0
_SKEW_S = 2.0
_SERVFAIL_SHARE = 0.01
_FULL_SHARE = 0.9
_FREE_BYTES = 512 << 20
_EXPIRES_S = 600.0
_ENOUGH_QUERIES = 20


@dataclass(frozen=True, slots=True)
class Attention:
    """One thing that needs a person; `key` stays the same while it lasts, `screen` is where to go on."""

    key: str
    meaning: Meaning
    text: str
    screen: str


def attention_of(snapshot: Snapshot) -> tuple[Attention, ...]:
    """Everything that needs a person, worst first."""
    node = snapshot.node
    found = [*_link(node, snapshot), *_fleet(snapshot)]
    if node.status is not None:
        found += [
            *_status(node, node.status.value, snapshot),
            *_data(node, node.status.value, snapshot),
            *_figures(node),
            *_room(node),
        ]
    found += _console(node, snapshot)
    return tuple(sorted(found, key=lambda each: SEVERITY.index(each.meaning)))


def _link(node: Node, snapshot: Snapshot) -> Iterator[Attention]:
    link = node.connection.link
    if link is Link.LOST:
        ago = fmt.span(snapshot.at_s - node.connection.since_s)
        yield Attention("lost", Meaning.ALARM, f"{node.name} does not answer for {ago}: {node.connection.cause}", "log")
    elif link is Link.SIGNED_OUT:
        yield Attention("signed-out", Meaning.WARNING, f"sign in: {node.connection.cause}", "login")


def _status(node: Node, status: NodeStatus, snapshot: Snapshot) -> Iterator[Attention]:
    consumer = status.consumer
    for reason in status.not_ready_because:
        yield Attention(f"not-ready {reason}", Meaning.ALARM, f"not ready: {reason}", "log")
    if consumer.stale and status.ready:
        yield Attention("stale", Meaning.ALARM, "the data is stale: the log is not followed", "log")
    if status.view.held is not None:
        text = f"a rebuilt view is held, streamdns rebuild --accept shows what would go: {status.view.held.reason}"
        yield Attention("held", Meaning.ALARM, printable(text), "log")
    if consumer.state in ("catching-up", "rebuilding"):
        what = "catching up with the log" if consumer.state == "catching-up" else "the view is rebuilt; answers go on"
        yield Attention("progress", Meaning.NOTICE, f"{what}: {progress_of(node)}".rstrip(": "), "log")
    elif consumer.error and consumer.state != "held":
        yield Attention("consumer", Meaning.WARNING, f"{consumer.state}: {printable(consumer.error)}", "log")
    if consumer.alarm is not None:
        since = fmt.since(consumer.alarm.time, snapshot.at_s)
        yield Attention("alarm", Meaning.WARNING, f"since {since}: {printable(consumer.alarm.reason)}", "log")
    if status.view.rebuild_refused is not None:
        reason = printable(status.view.rebuild_refused.reason)
        yield Attention("rebuild-refused", Meaning.WARNING, f"a rebuild was refused: {reason}", "log")
    if status.lag.seconds > _BEHIND_S and consumer.state == "following":
        about = "about " if status.lag.events_estimated else ""
        behind = f"{about}{fmt.plural(status.lag.events, 'event')}, {fmt.span(status.lag.seconds)}"
        yield Attention("lag", Meaning.WARNING, f"behind the log by {behind}", "log")
    for service in status.services:
        if not service.ready and service.state not in ("new", "running"):
            why = f": {printable(service.error)}" if service.error else ""
            meaning = Meaning.ALARM if service.essential else Meaning.WARNING
            yield Attention(f"service {service.name}", meaning, f"{service.name} is {service.state}{why}", "log")
    for worker in status.workers:
        if worker.state != "answering":
            why = f": {printable(worker.error)}" if worker.error else ""
            text = f"worker {worker.number} is {worker.state}{why}"
            yield Attention(f"worker {worker.number}", Meaning.WARNING, text, "workers")


def _data(node: Node, status: NodeStatus, snapshot: Snapshot) -> Iterator[Attention]:
    for sentence in status.divergence:
        yield Attention(f"diverged {sentence}", Meaning.ALARM, printable(sentence), "fleet")
    if status.quarantine:
        text = f"{fmt.plural(status.quarantine, 'event')} refused"
        if node.quarantine is not None and node.quarantine.value:
            newest, oldest = node.quarantine.value[0], node.quarantine.value[-1]
            if len(node.quarantine.value) == status.quarantine:
                text += f" since {fmt.since(oldest.time / 1000, snapshot.at_s)}"
            key = (newest.key or "an event without a key").replace("|", " ")
            text += f": {printable(key)} — {printable(newest.reason)}"
        yield Attention("quarantine", Meaning.WARNING, text, "refused")
    if status.conflicts:
        what = fmt.plural(status.conflicts, "conflict")
        yield Attention(
            "conflicts", Meaning.NOTICE, f"{what} in the data: names that shadow each other, or spellings", "conflicts"
        )


def _fleet(snapshot: Snapshot) -> Iterator[Attention]:
    node = snapshot.node
    mine = node.status.value if node.status is not None else None
    for number, other in enumerate(snapshot.nodes):
        if number != snapshot.main:
            state = state_of(other)
            if state.meaning not in (Meaning.OK, Meaning.NOTICE) and other.connection.link is not Link.CONNECTING:
                yield Attention(
                    f"node {other.url}",
                    state.meaning if state.meaning is Meaning.ALARM else Meaning.WARNING,
                    f"{other.name} is {state.word}: {state.detail}".rstrip(": "),
                    "fleet",
                )
    for peer in node.nodes.value.peers if node.nodes is not None else ():
        name = printable(peer.report.instance if peer.report is not None else peer.url)
        if peer.error:
            yield Attention(
                f"peer {peer.url}", Meaning.WARNING, f"{name} cannot be asked: {printable(peer.error)}", "fleet"
            )
        elif peer.report is not None:
            if peer.report.lag_seconds > _BEHIND_S:
                yield Attention(
                    f"behind {peer.url}",
                    Meaning.NOTICE,
                    f"{name} is {fmt.span(peer.report.lag_seconds)} behind",
                    "fleet",
                )
            if not peer.report.ready:
                yield Attention(
                    f"unready {peer.url}", Meaning.WARNING, f"{name} is not ready ({peer.report.state})", "fleet"
                )
            if mine is not None and peer.report.version != mine.version:
                yield Attention(
                    f"version {peer.url}",
                    Meaning.NOTICE,
                    f"{name} runs {printable(peer.report.version)}, {node.name} {mine.version}",
                    "fleet",
                )


def _figures(node: Node) -> Iterator[Attention]:
    answers = node.history.growth("dns.queries")
    total = sum(answers.values())
    failed = sum(value for labels, value in answers.items() if labels and labels[-1] == "SERVFAIL")
    if total >= _ENOUGH_QUERIES and failed / total > _SERVFAIL_SHARE:
        yield Attention(
            "servfail",
            Meaning.WARNING,
            f"{fmt.percent(failed / total)} of the answers of the last minute are SERVFAIL",
            "metrics",
        )
    faults = sum(node.history.growth("dns.exceptions").values())
    if faults:
        yield Attention(
            "faults",
            Meaning.WARNING,
            f"{fmt.plural(int(faults), 'fault')} of streamdns while answering within the last minute: see its log",
            "metrics",
        )


def _room(node: Node) -> Iterator[Attention]:
    used, most = node.history.gauge("view.map_bytes"), node.history.gauge("view.max_bytes")
    if used and most and used > _FULL_SHARE * most:
        yield Attention(
            "map",
            Meaning.WARNING,
            f"the view takes {fmt.octets(used)} of the {fmt.octets(most)} that DNS_VIEW_MAX_BYTES allows",
            "metrics",
        )
    free = node.history.gauge("view.free_bytes")
    if free is not None and free < _FREE_BYTES:
        yield Attention("disk", Meaning.WARNING, f"{fmt.octets(free)} are free on the disk of the view", "metrics")


def _console(node: Node, snapshot: Snapshot) -> Iterator[Attention]:
    if node.skew_s is not None and abs(node.skew_s) > _SKEW_S:
        where = "ahead of" if node.skew_s > 0 else "behind"
        yield Attention(
            "skew",
            Meaning.NOTICE,
            f"the clock of {node.name} is {fmt.span(abs(node.skew_s))} {where} "
            "this machine's: ages are by the node's clock",
            "fleet",
        )
    for part in sorted(node.foreign):
        yield Attention(
            f"foreign {part}",
            Meaning.WARNING,
            f"{node.name} {node.denied.get(part, '')}: use the console of its version",
            "fleet",
        )
    if node.status is not None and snapshot.version and node.status.value.version != snapshot.version:
        yield Attention(
            "console-version",
            Meaning.NOTICE,
            f"{node.name} runs {printable(node.status.value.version)}, this console is of {snapshot.version}",
            "fleet",
        )
    expires = node.caller.expires_s
    if expires is not None and 0 < expires - snapshot.at_s < _EXPIRES_S:
        yield Attention("expires", Meaning.NOTICE, f"your token ends in {fmt.span(expires - snapshot.at_s)}", "login")
