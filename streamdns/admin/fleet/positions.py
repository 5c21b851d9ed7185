"""Positions with the digests of their partitions, as every route shows them."""

from __future__ import annotations

from streamdns.admin.schema.peers import PositionAt
from streamdns.view.pages import Pages


def positions_of(view: Pages) -> list[PositionAt]:
    """How far each partition is in this snapshot, and the digest of what was read of it."""
    positions = view.positions()
    digests = view.partition_digests(positions)
    return [
        PositionAt(topic=topic, partition=number, position=each.next, digest=digests.get((topic, number), ""))
        for (topic, number), each in sorted(positions.items())
    ]
