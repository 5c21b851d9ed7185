"""`streamdns export`: writes a zone of the view as a zone file."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator

from streamdns.commands.output import print_json
from streamdns.commands.view_reader import apex_from_text, fields, looking
from streamdns.dns import name
from streamdns.dns.master import EXPORTED, FLATTENED, LOCAL_RECORD, SHADOWED
from streamdns.dns.node import CNAME, DS, LOCAL, NS, SOA, RRset, ttl_of, unpack_rdatas
from streamdns.dns.portable import record_line
from streamdns.dns.wire import AAAA, A
from streamdns.settings import Settings
from streamdns.view.keys import node_key, owner_of
from streamdns.view.reader import Entry, Inspector

_OF_PARENT = "; of the zone above: "


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Write the zone to a temporary file and then to standard output: a slow reader must not hold the view."""
    with tempfile.TemporaryFile("w+", encoding="ascii") as spool:
        with looking(settings) as view:
            apex = apex_from_text(view, args.zone)
            if args.json:
                entries = [fields(entry) for entry in _soa_first(view.zone_entries(apex), owner_of(apex))]
            else:
                spool.writelines(_lines(view, apex))
        if args.json:
            print_json(entries)
        else:
            spool.seek(0)
            shutil.copyfileobj(spool, sys.stdout)
    return 0


def _lines(view: Inspector, apex: bytes) -> Iterator[str]:
    owner = owner_of(apex)
    row = view.zone(apex)
    assert row is not None
    yield f"; {name.to_text(owner)}{EXPORTED}{row.rrsets} RRsets, digest {row.digest.hex()}\n"
    yield f"$ORIGIN {name.to_text(owner)}\n"
    node: list[Entry] = []
    for entry in view.zone_entries(apex):
        if node and entry.owner != node[0].owner:
            yield from _node_lines(view, node, owner)
            node = []
        node.append(entry)
    if node:
        yield from _node_lines(view, node, owner)


def _node_lines(view: Inspector, entries: list[Entry], apex: bytes) -> Iterator[str]:
    """The RRsets of one name as the log has them; this instance's own are comments: none takes them for the log's."""
    owner = entries[0].owner
    key = node_key(owner)
    types = {entry.rrset.rdtype for entry in entries}
    held = [rrset for rrset in view.of_log(key) if rrset.rdtype in types]
    hidden = view.apexes.hidden(key, held)
    for rrset in sorted(held, key=lambda rrset: rrset.rdtype != SOA):
        mark = ""
        if rrset.rdtype in hidden:
            mark = SHADOWED
        elif rrset.rdtype == CNAME and any(each.rdtype == SOA for each in held):
            mark = FLATTENED  # No other server takes a zone with it.
        elif rrset.rdtype == DS and owner == apex:
            mark = _OF_PARENT
        yield from _rrset_lines(owner, rrset, mark)
    for entry in entries:
        if entry.rrset.flags & LOCAL:
            yield from _rrset_lines(owner, entry.rrset, LOCAL_RECORD)
    if owner != apex and NS in types and types <= {NS, DS}:
        yield from _glue_lines(view, owner, [rrset for rrset in held if rrset.rdtype == NS])


def _glue_lines(view: Inspector, cut: bytes, servers: Iterable[RRset]) -> Iterator[str]:
    """The addresses of a zone below that its delegation needs, where they are that zone's and so in no walk of ours."""
    within = node_key(cut)
    if view.zone(within) is None:
        return
    for rrset in servers:
        for target in dict.fromkeys(wire.lower() for wire in unpack_rdatas(rrset.records)):
            if node_key(target).startswith(within):
                for glue in view.of_log(node_key(target)):
                    if glue.rdtype in (A, AAAA):
                        yield from _rrset_lines(target, glue, "")


def _soa_first(entries: Iterator[Entry], apex: bytes) -> Iterator[Entry]:
    """Yield the entries with the SOA of the apex first."""
    top: list[Entry] = []
    first_below: Entry | None = None
    for entry in entries:
        if entry.owner != apex:
            first_below = entry
            break
        top.append(entry)
    yield from sorted(top, key=lambda entry: entry.rrset.rdtype != SOA)
    if first_below is not None:
        yield first_below
        yield from entries


def _rrset_lines(owner: bytes, rrset: RRset, mark: str) -> Iterator[str]:
    ttl_s = ttl_of(rrset.records)
    for wire in unpack_rdatas(rrset.records):
        yield f"{mark}{record_line(owner, ttl_s, rrset.rdtype, wire)}\n"
