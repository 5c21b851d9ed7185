"""The route that shows the consumer: source, client, partitions, lag, and how long a fill may still take."""

from __future__ import annotations

import msgspec

from streamdns.admin.http.route import Call, Route
from streamdns.admin.node import Node
from streamdns.admin.schema.state import Alarm, CatchUp, Consumer, ConsumerPartition
from streamdns.admin.status import lag


def consumer(node: Node) -> Consumer:
    """Return the whole document of the consumer."""
    progress = node.progress
    alarm = progress.last_alarm
    return Consumer(
        source=progress.describe,
        client=str(progress.details.get("client", "file")),
        unit=progress.unit,
        state=progress.state,
        since=int(progress.since_s),
        error=progress.error,
        alarm=None if alarm is None else Alarm(time=int(alarm[0]), reason=alarm[1]),
        last_contact=None if progress.last_contact_s is None else int(progress.last_contact_s),
        stale=progress.stale,
        partitions=_partitions(node),
        lag=lag(progress),
        catch_up=msgspec.convert(progress.catch_up(), CatchUp | None),
        details=progress.details,
    )


def _partitions(node: Node) -> list[ConsumerPartition]:
    progress = node.progress
    missing = progress.lag()
    behind = sum(end > progress.positions.get(each, 0) for each, end in progress.ends.items())
    found = []
    for partition in sorted({**progress.positions, **progress.ends}):
        topic, number = partition
        position = progress.positions.get(partition, 0)
        end = max(position, progress.ends.get(partition, position))
        share = (end - position) / missing if missing else 0.0
        if progress.unit == "ids":
            share = float(end > position) / max(1, behind)
        found.append(ConsumerPartition(
            topic=topic,
            partition=number,
            position=position,
            end=end,
            lag_events=round(progress.lag_events() * share),
            lag_seconds=node.behind_s() if end > position else 0.0,
            last_event=progress.timestamps.get(partition, 0),
            state="behind" if end > position else "at the end",
        ))
    return found


def routes(node: Node) -> tuple[Route, ...]:
    """Return the row of the consumer."""

    def show(_: Call) -> Consumer:
        return consumer(node)

    return (Route("GET", "/v1/consumer", show, "The log's source, and position and lag of each partition", Consumer,
                  unscoped=True),)
