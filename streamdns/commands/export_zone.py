"""`streamdns export`: writes a zone of the view as a zone file."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterator

from streamdns.commands.output import print_json
from streamdns.commands.view_reader import apex_from_text, fields, looking, records
from streamdns.dns import name, rdata
from streamdns.dns.node import DS, LOCAL, SOA, ttl_of, unpack_rdatas
from streamdns.settings import Settings
from streamdns.view.keys import owner_of
from streamdns.view.reader import Entry, Inspector

#: DSYNC, HHIT, BRID, RESINFO, WALLET: younger than the name servers that people have. RFC 3597 reads everywhere.
_YOUNG_TYPES = frozenset((66, 67, 68, 261, 262))


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
    yield f"; {name.to_text(owner)} as streamdns holds it: {row.rrsets} RRsets, digest {row.digest.hex()}\n"
    yield f"$ORIGIN {name.to_text(owner)}\n"
    for entry in _soa_first(view.zone_entries(apex), owner):
        yield from _rrset_lines(entry, owner)


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


def _rrset_lines(entry: Entry, apex: bytes) -> Iterator[str]:
    rrset = entry.rrset
    head = f"{name.to_text(entry.owner)} {ttl_of(rrset.records)} IN "
    before, behind = "", ""
    if entry.shadowed:
        before = "; shadowed: "
    elif rrset.rdtype == DS and entry.owner == apex:
        before = "; of the zone above: "
    elif rrset.flags & LOCAL:
        behind = " ; local"
    if rrset.rdtype in _YOUNG_TYPES:
        for wire in unpack_rdatas(rrset.records):
            yield f"{before}{head}TYPE{rrset.rdtype} \\# {len(wire)} {wire.hex()}{behind}\n"
        return
    mnemonic = rdata.type_to_text(rrset.rdtype)
    for text in records(rrset):
        yield f"{before}{head}{mnemonic} {text}{behind}\n"
