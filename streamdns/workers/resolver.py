"""The resolver's part of the admin API where each worker has a resolver and a cache of its own: asks all of them."""

from __future__ import annotations

from typing import Any, Final

import gevent
import msgspec

from streamdns.admin.resolver import ResolverAdmin
from streamdns.admin.schema.resolver import ServerList, ServerSeen, Trace
from streamdns.errors import ApiError
from streamdns.workers.crew import Crew

_SUMMARY_S: Final = 1.0
_ANY_S: Final = 30.0
_UNAVAILABLE: Final = 503
#: What all have in common, or what has no sum: the first one's.
_NOT_SUMMED: Final = ("roots", "primed_seconds_ago", "forwards", "enabled")


class WorkersResolver(ResolverAdmin):
    """Merges what the resolvers of all workers say; of caches each worker's entries are shown, with its number."""

    def __init__(self, crew: Crew) -> None:
        super().__init__(None)
        self._crew = crew

    def summary(self) -> dict[str, Any]:
        """Return the document of /v1/resolver: the sums of all workers that answer within a second."""
        merged: dict[str, Any] = {"enabled": True}
        told = self._ask_all("summary", {}, _SUMMARY_S)
        for _, each in told:
            _add(merged, msgspec.json.decode(each))
        return merged | {"workers": len(told)}

    def entries(self, text: str) -> dict[str, Any]:
        """Return what the caches hold for a name, by worker."""
        found: dict[str, Any] = {"name": text, "entries": []}
        for worker, told in self._all("entries", text=text):
            document = msgspec.json.decode(told)
            found["name"] = document["name"]
            found["entries"] += [entry | {"worker": worker} for entry in document["entries"]]
        return found

    def servers(self, limit: int) -> ServerList:
        """Return name servers that were asked: each as the worker sees it that has the worst to say of it."""
        worst: dict[str, ServerSeen] = {}
        lists = [msgspec.json.decode(told, type=ServerList) for _, told in self._all("servers", limit=limit)]
        ranks = [server for each in lists for server in enumerate(each.servers)]
        for _, server in sorted(ranks, key=lambda ranked: ranked[0]):
            worst.setdefault(server.address, server)
        return ServerList(servers=list(worst.values())[:limit], asked=sum(each.asked for each in lists))

    def trace(self, text: str, type_text: str) -> Trace:
        """Have one worker resolve a name now, and say how."""
        workers = self._crew.answering()
        if not workers:
            raise _nobody()
        asked = {"text": text, "type_text": type_text}
        return msgspec.json.decode(self._crew.ask(workers[0], "trace", asked, timeout_s=_ANY_S), type=Trace)

    def flush(self, text: str, *, below: bool) -> dict[str, Any]:
        """Remove names from the caches of all workers."""
        told = self._all("flush", text=text, below=below)
        return {"flushed": sum(msgspec.json.decode(each)["flushed"] for _, each in told)}

    def _all(self, method: str, **arguments: str | int | bool) -> list[tuple[int, bytes]]:
        """Ask all workers at once; what those say that answer, by number. Raises ApiError where they refuse."""
        told = self._ask_all(method, arguments, _ANY_S)
        if not told:
            raise _nobody()
        return told

    def _ask_all(
        self, method: str, arguments: dict[str, str | int | bool], timeout_s: float
    ) -> list[tuple[int, bytes]]:
        asking = [
            (worker, gevent.spawn(self._ask, worker, method, arguments, timeout_s))
            for worker in self._crew.answering()
        ]
        told = []
        for worker, greenlet in asking:
            each = greenlet.get()
            if isinstance(each, bytes):
                told.append((worker, each))
            elif each.status != _UNAVAILABLE:
                raise each
        return told

    def _ask(
        self, worker: int, method: str, arguments: dict[str, str | int | bool], timeout_s: float
    ) -> bytes | ApiError:
        try:
            return self._crew.ask(worker, method, arguments, timeout_s=timeout_s)
        except ApiError as error:
            return error


def _nobody() -> ApiError:
    return ApiError(_UNAVAILABLE, "unavailable", "no worker answers now")


def _add(merged: dict[str, Any], document: dict[str, Any]) -> None:
    for name, value in document.items():
        if name in _NOT_SUMMED or name not in merged or not isinstance(value, int | float | dict):
            merged.setdefault(name, value)
        elif isinstance(value, dict):
            _add(merged[name], value)
        else:
            merged[name] += value
