"""`streamdns wait` and `publish --wait`: wait until nodes answer from a view that holds an event."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from typing import Any

from streamdns.admin.fleet.client import Client, NodeError
from streamdns.commands import CommandError
from streamdns.commands.endpoint import client_of
from streamdns.commands.output import print_json, printable
from streamdns.settings import Settings
from streamdns.sources.sink import Placed

#: What the node may take beyond the time that it is asked to wait.
_WAY_S = 10.0


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Wait for an event; exit 1 where the time is over."""
    client = client_of(args, settings, timeout_s=args.timeout + _WAY_S)
    wanted: dict[str, Any] = {"timeout": f"{args.timeout:g}", "nodes": "all" if args.all else "self"}
    if args.offset is not None:
        if args.name:
            raise CommandError("wait for --offset or for NAME and TYPE, not for both")
        wanted |= {"topic": args.topic, "partition": args.partition, "offset": args.offset}
    else:
        if not args.name or not args.type:
            raise CommandError("say what to wait for: NAME and TYPE, or --offset")
        wanted |= {"name": args.name, "type": args.type, "content": args.content, "gone": args.gone or None}
    try:
        document = client.get("/v1/wait", wanted)
    except NodeError as err:
        if args.json and err.status == 504:
            print_json(json.loads(err.body))
            return 1
        raise
    if args.json:
        print_json(document)
    else:
        print(_told(document))
    return 0


def after(args: argparse.Namespace, settings: Settings, placed: Mapping[tuple[str, int], Placed]) -> None:
    """Wait for the last published event of each partition on the node and its peers; raises CommandError."""
    client = client_of(args, settings, timeout_s=args.wait_timeout + _WAY_S)
    try:
        for event in placed.values():
            print(_told(_wait_for(client, event, args.wait_timeout)))
    except NodeError as err:
        raise CommandError(f"published, but {err}") from err


def _wait_for(client: Client, event: Placed, timeout_s: float) -> Any:
    if event.position < 0:
        raise CommandError(f"published, but the broker does not say where in topic {printable(event.topic)}: it cannot "
                           "be waited for")
    return client.get("/v1/wait", {
        "topic": event.topic, "partition": event.partition, "offset": event.position, "timeout": f"{timeout_s:g}",
        "nodes": "all",
    })


def _told(document: Any) -> str:
    names = ", ".join(printable(each["node"]) for each in document["nodes"])
    return f"applied after {document['seconds']:.3g} s by {names}"
