"""`streamdns compare`: finds the names at which two nodes hold different data."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from typing import Any

from streamdns.admin.fleet.client import Client, NodeError
from streamdns.admin.schema.requests import part
from streamdns.commands import CommandError
from streamdns.commands.endpoint import client_of
from streamdns.commands.output import note, print_json, printable
from streamdns.commands.tables import print_table
from streamdns.settings import Settings

_PAGE = 500
_RRset = Mapping[str, Any]


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Compare the digests of all zones, then the records of those that differ; exit 1 if any do. Raises NodeError."""
    # A token that is given is for the other node, unless this one needs it, too.
    here, there = client_of(args, settings, prefer_own=True), client_of(args, settings, node=args.other)
    try:
        one, other = here.get("/v1/nodes/self"), there.get("/v1/nodes/self")
        if one["positions"] != other["positions"] and not args.json:
            note("the nodes are not at the same positions: what is being changed shows as a difference, too")
        every, differing = _zones(here, there, one, other)
        found = [row for zone in (every if args.all else differing) for row in _records(here, there, zone)]
    except (KeyError, TypeError, ValueError) as err:
        raise CommandError(f"the nodes answer in another way than this version: {err!r}") from err
    if args.json:
        print_json({"here": here.url, "there": there.url, "zones": differing, "differences": found})
        return int(bool(found) or bool(differing))
    print_table(
        ("NAME AND TYPE", here.url, there.url), [(row["name"] + " " + row["type"], row["here"], row["there"])
                                                 for row in found],
    )
    if not found:
        print("no differences" if not differing else f"zones whose digests differ, and no record in them: "
              f"{printable(', '.join(differing))}")
    return int(bool(found) or bool(differing))


def _zones(here: Client, there: Client, one: _RRset, other: _RRset) -> tuple[list[str], list[str]]:
    """Return all zones, and those to compare in any case: whose digests differ, or that an audit found wrong."""
    mine, theirs = _digests(here), _digests(there)
    audited = {zone for report in (one, other) if report["audit"] for zone in report["audit"]["zones"]}
    names = list(dict.fromkeys([*mine, *theirs]))
    return names, [name for name in names if name in audited or mine.get(name) != theirs.get(name)]


def _digests(client: Client) -> dict[str, str]:
    return {
        zone["name"]: zone["digest"] for page in client.pages("/v1/zones", {"limit": _PAGE}) for zone in page["zones"]
    }


def _records(here: Client, there: Client, zone: str) -> Iterator[dict[str, Any]]:
    """Yield the RRsets of a zone that differ or are on one node only; both nodes list them in the same order."""
    mine, theirs = _of_zone(here, zone), _of_zone(there, zone)
    one, other = next(mine, None), next(theirs, None)
    while one is not None or other is not None:
        if one is not None and other is not None and _key(one) == _key(other):
            if _data(one) != _data(other):
                yield _difference(one, other)
            one, other = next(mine, None), next(theirs, None)
        elif other is None or (one is not None and _order(one) < _order(other)):
            yield _difference(one, None)
            one = next(mine, None)
        else:
            yield _difference(None, other)
            other = next(theirs, None)


def _of_zone(client: Client, zone: str) -> Iterator[_RRset]:
    """Yield the RRsets of a zone that come from the log; none where the node has no such zone."""
    try:
        for page in client.pages(f"/v1/zones/{part(zone)}/records", {"limit": _PAGE}):
            yield from (row for row in page["rrsets"] if not row["local"])
    except NodeError as err:
        if err.status != 404:
            raise


def _difference(one: _RRset | None, other: _RRset | None) -> dict[str, Any]:
    row = one or other
    assert row is not None
    return {"name": row["name"], "type": row["type"], "here": _shown(one), "there": _shown(other)}


def _shown(row: _RRset | None) -> str | None:
    return None if row is None else f"{row['ttl']} {' | '.join(row['records'])}"


def _key(row: _RRset) -> tuple[str, str]:
    return row["name"], row["type"]


def _data(row: _RRset) -> tuple[int, set[bytes]]:
    """TTL and records, in canonical form: names in another case are the same (RFC 4034 §6.2)."""
    from streamdns.dns import rdata
    from streamdns.dns.canonical import canonical

    rdtype = rdata.type_from_text(row["type"])
    return row["ttl"], {canonical(rdtype, rdata.from_text(rdtype, text)) for text in row["records"]}


def _order(row: _RRset) -> tuple[bytes, int]:
    from streamdns.dns import name, rdata
    from streamdns.view.keys import node_key

    return node_key(name.from_text(row["name"]).lower()), rdata.type_from_text(row["type"])
