"""The route that waits until one node, or all peers too, answer from a view that holds an event."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import gevent
import msgspec

from streamdns.admin.fleet.client import Client, NodeError
from streamdns.admin.http.route import Call, Principal, Reply, Route
from streamdns.admin.http.shares import Shares
from streamdns.admin.node import Node
from streamdns.admin.routes import scope
from streamdns.admin.schema.peers import NodeWait, Waited
from streamdns.admin.schema.queries import WaitQuery
from streamdns.admin.texts import wire_of
from streamdns.dns.canonical import canonical
from streamdns.dns.node import RRset, unpack_rdatas
from streamdns.errors import ApiError
from streamdns.events.message_id import is_pulsar, position_of, position_text
from streamdns.view.keys import node_key
from streamdns.view.pages import position_in
from streamdns.view.reader import Inspector

#: Requests that wait in all, and of one holder of a token.
_MOST_WAITING, _MOST_WAITING_OF_ONE = 32, 16
#: However often the view is committed to, a waiter looks no more than so often.
_LOOK_AGAIN_S = 0.005
#: What the way to a peer and back may take beyond the time that was asked for.
_WAY_S = 2.0


class _Seen(NamedTuple):
    """One look at the view: whether it holds the event, and the position of the partition where one was asked for."""

    applied: bool
    position: int | None


class Waiting:
    """The handler of /v1/wait; `elapsed_s` is a clock that never jumps."""

    def __init__(self, node: Node, elapsed_s: Callable[[], float] = time.monotonic) -> None:
        self._node, self._elapsed_s = node, elapsed_s
        self._waiting = Shares(_MOST_WAITING, _MOST_WAITING_OF_ONE, code="too_many_waiting", what="requests wait")

    def wait(self, call: Call) -> Any:
        """Wait for an event on this node, and with nodes=all on its peers at the same time."""
        query: WaitQuery = call.query
        look = self._look_of(query, call.principal)
        end = self._waiting.take(call.principal)
        begun_s = self._elapsed_s()
        others = [] if query.nodes == "self" else [
            (peer.url, gevent.spawn(_ask, peer, query)) for peer in self._node.peers
        ]
        try:
            found = [self._here(look, query.timeout)]
            left_s = max(0.0, begun_s + query.timeout + _WAY_S - self._elapsed_s())
            gevent.joinall([each for _, each in others], timeout=left_s)
            found += [each.value or NodeWait(node=url, applied=False, error="no answer") for url, each in others]
        finally:
            end()
            gevent.killall([each for _, each in others], block=False)
        waited = Waited(
            applied=all(each.applied for each in found), seconds=round(self._elapsed_s() - begun_s, 3), nodes=found
        )
        if waited.applied:
            return waited
        return Reply(_too_late(waited, query, query.topic or min(self._topics(), default="")), status=504)

    def _look_of(self, query: WaitQuery, principal: Principal) -> Callable[[], _Seen]:
        """Make the check that is done after each commit; raises ApiError where the request is not about one event."""
        if (query.offset is None) == (not query.name):
            raise ApiError(400, "bad_request", "say either which offset, or which name and type")
        if query.offset is not None:
            if principal.zones is not None:
                # How far the log is tells how much others write.
                raise ApiError(403, "forbidden", "positions of the log are about the whole node, and you may see only "
                               "some zones: wait for a name")
            if query.type or query.content or query.gone:
                raise ApiError(400, "bad_request", "type, content and gone go with name, not with offset")
            topic = query.topic or self._only_topic()
            offset = self._offset_of(topic, query.offset)
            return lambda: self._position(topic, query.partition, offset)
        owner, rdtype = scope.owner(query.name), scope.rdtype(query.type)
        if rdtype is None:
            raise ApiError(400, "bad_request", "say which type of the name")
        if not principal.may_see(owner):
            raise ApiError(403, "forbidden", f"{query.name} is in no zone that you may see")
        try:
            wire = wire_of(rdtype, query.content) if query.content else None
        except ValueError as err:
            raise ApiError(400, "bad_content", str(err)) from err
        return lambda: self._rrset(node_key(owner), rdtype, wire, gone=query.gone)

    def _only_topic(self) -> str:
        topics = self._topics()
        if len(topics) > 1:
            raise ApiError(400, "bad_request", f"say which topic: {', '.join(sorted(topics))}")
        return next(iter(topics), "")

    def _topics(self) -> set[str]:
        return {topic for topic, _ in {**self._node.progress.positions, **self._node.progress.ends}}

    def _offset_of(self, topic: str, text: str) -> int:
        # Before the log was opened for the first time no topic is known, so the source says whose positions they are.
        pulsar = is_pulsar(topic) if topic else self._node.settings().source == "pulsar"
        try:
            return position_of(text, pulsar=pulsar)
        except ValueError as err:
            raise ApiError(400, "bad_offset", f"offset: {err}") from err

    def _position(self, topic: str, partition: int, offset: int) -> _Seen:
        # Looked up in the view that serves: while it is rebuilt, the consumer is somewhere else.
        position = position_in(self._node.view.store, topic or self._only_topic(), partition)
        return _Seen(self._node.progress.complete and position is not None and position > offset, position)

    def _rrset(self, key: bytes, rdtype: int, wire: bytes | None, *, gone: bool) -> _Seen:
        with Inspector(self._node.view.store) as view:
            found = next((each.rrset for each in view.entries(key) if each.rrset.rdtype == rdtype), None)
        there = found is not None and (wire is None or _holds(found, wire))
        return _Seen(self._node.progress.complete and there != gone, None)

    def _here(self, look: Callable[[], _Seen], timeout_s: float) -> NodeWait:
        deadline_s = self._elapsed_s() + timeout_s
        while not (seen := look()).applied:
            left_s = deadline_s - self._elapsed_s()
            if left_s <= 0 or not self._node.commits.wait(left_s):
                seen = look()
                break
            gevent.sleep(min(_LOOK_AGAIN_S, left_s))
        instance = self._node.settings().instance_id
        return NodeWait(node=instance, applied=seen.applied, position=seen.position)


def _holds(rrset: RRset, wire: bytes) -> bool:
    """Whether an RRset has a record, names in it in whatever case."""
    wanted = canonical(rrset.rdtype, wire)
    return any(canonical(rrset.rdtype, each) == wanted for each in unpack_rdatas(rrset.records))


def _ask(peer: Client, query: WaitQuery) -> NodeWait:
    """What a peer says; it waits by itself."""
    wanted = {key: value for key, value in msgspec.to_builtins(query).items() if key not in ("nodes", "gone")}
    if query.gone:
        wanted["gone"] = True
    if query.offset is not None:
        wanted["offset"] = position_of(query.offset, pulsar=True)  # As peers of older versions take it, too.
    try:
        try:
            waited = peer.get_as(Waited, "/v1/wait", wanted, timeout_s=query.timeout + _WAY_S)
        except NodeError as err:
            if err.status != 504:
                raise
            waited = peer.decoded(Waited, err.body)
        (answer,) = waited.nodes
    except NodeError as err:
        return NodeWait(node=peer.url, applied=False, error=str(err))
    except ValueError:
        return NodeWait(node=peer.url, applied=False, error="it answers in another way than this version")
    return NodeWait(node=f"{answer.node} ({peer.url})", applied=answer.applied, position=answer.position)


def _too_late(waited: Waited, query: WaitQuery, topic: str) -> dict[str, Any]:
    """The error document, with all that a Waited has; its sentence has positions of this topic as people see them."""
    late = []
    for each in waited.nodes:
        if not each.applied:
            at = "" if each.position is None else f" (at {position_text(topic, each.position)})"
            late.append(f"{each.node}{at}: {each.error}" if each.error else f"{each.node}{at}")
    message = f"not applied within {query.timeout:g} s by {', '.join(late)}"
    return {"error": {"code": "not_applied", "message": message}, **msgspec.to_builtins(waited)}


def routes(node: Node) -> tuple[Route, ...]:
    """Return the row of /v1/wait."""
    return (
        Route("GET", "/v1/wait", Waiting(node).wait, "Return when an event is applied here, or on all nodes", Waited,
              query=WaitQuery),
    )
