"""What the console can have done, each with a question that says what will happen, and why somebody may not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from streamdns.admin.schema.places import position_of, position_text
from streamdns.admin.schema.state import ConsumerPartition, HeldRebuild

from . import calls
from . import format as fmt
from .lines import place
from .model import Node, Role
from .panes.pane import Host, Key

#: The unit of positions of which only the order counts, as those of Pulsar.
IDS: Final = "ids"


def last_event(row: ConsumerPartition) -> str:
    """The place to wait for so that a partition is applied up to its end, where the next event will stand."""
    at = max(0, row.end - 1)
    text = position_text(row.topic, at)
    try:
        position_of(text, pulsar=True)
    except ValueError:
        # Where the end is the id of a message that is known already, the number before it is nobody's id.
        text = str(at)
    return f"{row.topic}/{row.partition}:{text}"


def refusal(node: Node, needed: Role) -> str:
    """Why the caller may not do what needs a role; "" where he may."""
    if not node.live:
        return "the node does not answer"
    if node.caller.role < needed:
        who = node.caller.name or "this token"
        return f"needs the role {needed.name.lower()}, and {who} is {node.caller.role.name.lower()}"
    if node.caller.zones is not None:
        return "the token is for some zones only, and this is about the whole node"
    return ""


def rebuild_key(node: Node) -> Key:
    """The key of a rebuild."""
    return Key("R", "rebuild", refusal(node, Role.ADMIN))


def rebuild_effect(node: Node) -> str:
    """What a rebuild of this node does, in figures."""
    status = node.status.value if node.status is not None else None
    if status is None:
        return f"Rebuild {node.name}: a second view is filled from the start of the log; answers go on."
    sentence = f"Rebuild {node.name}: fills a second view of about {fmt.octets(status.view.bytes)}"
    consumer = node.consumer.value if node.consumer is not None else None
    unit = consumer.unit if consumer is not None else ""
    end = sum(max(position.end, position.position) for position in status.positions)
    if unit and unit != IDS:
        sentence += f" from {fmt.count(end)} {unit} of the log"
    last = status.view.last_rebuild
    if last is not None and last.seconds:
        sentence += f", {fmt.span(last.seconds)} as the last one took"
    else:
        sentence += f" ({fmt.count(status.rrsets)} RRsets)"
    free = node.history.gauge("view.free_bytes")
    room = f" {fmt.octets(free)} are free on its disk." if free is not None else ""
    return f"{sentence}; answers go on from the first one until it takes over.{room}"


def start_rebuild(host: Host) -> None:
    """Ask, and have the view made anew."""
    node = host.snapshot.node
    if why := refusal(node, Role.ADMIN):
        host.tell(why, wrong=True)
        return

    async def then() -> None:
        asked = await host.reader.ask(calls.rebuild())
        host.tell(f"rebuild {asked.id} is asked for; the log screen shows how far it is")
        host.reader.refresh()

    host.ask_first("rebuild the view", rebuild_effect(node), "rebuild", then)


def accept_effect(node: Node, held: HeldRebuild) -> str:
    """What a held view takes away and brings, in figures."""
    goes = f"{fmt.count(held.zones)} of {fmt.plural(held.zones_served, 'zone')}"
    goes += f" and {fmt.count(held.rrsets)} of {fmt.plural(held.rrsets_served, 'RRset')}"
    return (
        f"Let the rebuilt view of {node.name} take over: {goes} go away and are not answered any more; "
        f"{fmt.count(held.added)} come, and {fmt.count(held.changed)} have other records. "
        "If more would go away by then, nothing is done."
    )


def start_accept(host: Host) -> None:
    """Ask, and let the held view take over."""
    node = host.snapshot.node
    held = held_of(node)
    if held is None:
        host.tell("no rebuilt view is held", wrong=True)
        return
    if why := refusal(node, Role.ADMIN):
        host.tell(why, wrong=True)
        return

    async def then() -> None:
        await host.reader.ask(calls.accept(held))
        host.tell("accepted: the rebuilt view takes over within a second")
        host.reader.refresh()

    host.ask_first("let the held view take over", accept_effect(node, held), "take over", then)


def held_of(node: Node) -> HeldRebuild | None:
    """The rebuilt view that waits because too much would go away by it."""
    return node.status.value.view.held if node.status is not None else None


def flush_effect(node: Node, name: str, *, below: bool) -> str:
    """What forgetting does, in figures."""
    cache = node.resolver.value.get("cache", {}) if node.resolver is not None else {}
    entries = cache.get("entries")
    held = f" It holds {fmt.plural(entries, 'entry', 'entries')} now." if isinstance(entries, int) else ""
    if not name:
        return f"The cache of {node.name} forgets everything; each name is resolved anew when it is asked for.{held}"
    what = f"{name} and all below it" if below else name
    return f"The cache of {node.name} forgets {what}; it is resolved anew when it is asked for.{held}"


def start_flush(host: Host, name: str, *, below: bool = False) -> None:
    """Ask, and have the resolver's cache forget."""
    node = host.snapshot.node
    if why := refusal(node, Role.OPERATOR):
        host.tell(why, wrong=True)
        return

    async def then() -> None:
        flushed = await host.reader.ask(calls.flush(name, below=below))
        host.tell(f"{fmt.plural(flushed.flushed, 'entry', 'entries')} forgotten")
        host.reader.refresh()

    host.ask_first("flush the resolver's cache", flush_effect(node, name, below=below), "flush", then)


def start_wait(host: Host, wanted: Mapping[str, Any], *, seconds: float = 30.0) -> None:
    """Wait until every node has applied something; what came of it is told."""
    what = " ".join(str(value) for key, value in wanted.items() if key not in ("nodes", "gone") and value != "")
    if "offset" in wanted:
        at = place(wanted["topic"], wanted["partition"], wanted["offset"])
        what = f"position {at.removeprefix('/')}"
    nodes = host.snapshot.node.nodes
    count = 1 + len(nodes.value.peers) if nodes is not None else 1

    async def then() -> None:
        host.tell(f"waiting for {what} …")
        waited = await host.reader.ask(calls.wait({**wanted, "nodes": "all"}, timeout_s=seconds))
        names = ", ".join(each.node for each in waited.nodes)
        host.tell(f"applied after {fmt.span(waited.seconds)} by {names}")

    host.ask_first(
        "wait",
        f"Waits up to {fmt.span(seconds)} until {fmt.plural(count, 'node')} answer with {what}. "
        "It changes nothing, and you can go on meanwhile.",
        "wait",
        then,
    )
