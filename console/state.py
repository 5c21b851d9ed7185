"""One word for the state of a node, with what it means and the figures that go with it. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from streamdns.admin.schema.state import Consumer

from . import format as fmt
from .model import Link, Meaning, Node


@dataclass(frozen=True, slots=True)
class State:
    """A word, its meaning, and a detail that may be empty: progress, or why."""

    word: str
    meaning: Meaning
    detail: str = ""


def state_of(node: Node) -> State:
    """What a node does: the worst of what is true of it."""
    link = node.connection.link
    if link is Link.LOST:
        return State("disconnected", Meaning.STALE, node.connection.cause)
    if link is Link.SIGNED_OUT:
        return State("refused", Meaning.WARNING, node.connection.cause)
    if node.status is None:
        if "status" in node.foreign:
            return State("not understood", Meaning.WARNING, node.denied["status"])
        if "status" in node.denied:
            return State("refused", Meaning.WARNING, node.denied["status"])
        return State("connecting", Meaning.STALE)
    status = node.status.value
    if status.divergence:
        return State("diverged", Meaning.ALARM, status.divergence[0])
    if status.consumer.stale:
        return State("stale", Meaning.ALARM, status.consumer.error or "; ".join(status.not_ready_because))
    if status.view.held is not None:
        return State("held", Meaning.ALARM, status.view.held.reason)
    if status.consumer.state in ("catching-up", "rebuilding"):
        word = "catching up" if status.consumer.state == "catching-up" else "rebuilding"
        return State(word, Meaning.NOTICE if status.ready else Meaning.WARNING, progress_of(node))
    if not status.ready:
        return State("not ready", Meaning.ALARM, "; ".join(status.not_ready_because))
    if status.consumer.state != "following":
        return State("serving", Meaning.WARNING, f"{status.consumer.state}: {status.consumer.error}".rstrip(": "))
    return State("serving", Meaning.OK)


def progress_of(node: Node) -> str:
    """How far a fill of the view is and how long it may take: 43 %, 1 min 10 s left."""
    if node.consumer is None:
        return ""
    if node.consumer.value.catch_up is None:
        return events_read(node.consumer.value)
    catch_up = node.consumer.value.catch_up
    left = catch_up.seconds_left
    return f"{catch_up.percent:.0f} %" + ("" if left is None else f", {fmt.span(left)} left")


def events_read(consumer: Consumer) -> str:
    """How much a fill has read of a log of which nobody knows how long it is; "" where there is no fill."""
    read = consumer.details.get("events_read")
    if consumer.state not in ("catching-up", "rebuilding") or not isinstance(read, int):
        return ""
    return f"{fmt.short(float(read))} events so far"


@dataclass(frozen=True, slots=True)
class Fleet:
    """How many nodes there are, how many of them are as they should be, and how many hold the same data."""

    total: int
    good: int
    same: int


def fleet_of(nodes: tuple[Node, ...], main: int) -> Fleet:
    """The nodes that are watched, or the peers of the one that is."""
    if len(nodes) > 1:
        digests = [each.status.value.digest for each in nodes if each.live and each.status is not None]
        mine = nodes[main].status
        same = digests.count(mine.value.digest) if mine is not None else 0
        good = sum(
            each.live and each.status is not None and each.status.value.ready and not each.status.value.divergence
            for each in nodes
        )
        return Fleet(len(nodes), good, same)
    node = nodes[main]
    if node.nodes is None:
        return Fleet(1, int(node.live), 1)
    peers = node.nodes.value.peers
    good = sum(not each.error and not each.diverges and each.report is not None and each.report.ready for each in peers)
    same = sum(each.diverges is False for each in peers)
    return Fleet(1 + len(peers), int(node.live) + good, 1 + same)
