"""The stream of changes: what is said while nothing comes that its client wants."""

from __future__ import annotations

import itertools
import pathlib
from types import SimpleNamespace
from typing import cast

import pytest

from streamdns.admin.commits import Commits
from streamdns.admin.http.route import Call, Principal, Role
from streamdns.admin.node import Node
from streamdns.admin.routes.journal import Journal
from streamdns.admin.schema.queries import StreamQuery
from streamdns.consumer.progress import Progress
from streamdns.metrics.registry import Registry
from tests.harness import viewing
from tests.harness.model import Event


def event(number: int) -> Event:
    """Another address for a name."""
    return Event(0, 1, "www.zone.|A", f'[{{"name": "www.zone.", "type": "A", "content": "192.0.2.{number % 250}"}}]')


@pytest.mark.parametrize(("wanted", "said"), [("other.zone.", b": still there\n\n"), ("www.zone.", b"event: change")])
def test_who_wants_none_of_many_changes_hears_of_the_stream(tmp_path: pathlib.Path, wanted: str, said: bytes) -> None:
    """Or nobody would notice that the client is gone, or that its token has ended, for as long as changes come."""
    progress = Progress(Registry(), lambda: 0.0)
    with viewing.opened(tmp_path / "view-1") as store:
        writer = viewing.writer(store)
        reading = viewing.Reading()
        ticks = itertools.count(step=6)

        def elapsed_s() -> float:
            # Time passes, and whenever it is looked at something changes that another client wants.
            now_s = next(ticks)
            writer.apply(reading.batch([event(now_s)], caught_up=True), {}, 1)
            progress.serves(store.state(), {})
            return float(now_s)

        node = cast(Node, SimpleNamespace(view=SimpleNamespace(store=store), commits=Commits(progress)))
        stream = Journal(node, elapsed_s).stream(
            Call({}, StreamQuery(name=wanted, after="1-0"), None, Principal("local", Role.ADMIN))
        )
        first, second = itertools.islice(iter(stream.chunks), 2)
        assert first.startswith(b"id: ")
        assert second.startswith(said)
