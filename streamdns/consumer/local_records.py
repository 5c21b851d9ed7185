"""Parses DNS_LOCAL_RECORDS, the records of this instance alone, from presentation format to RRsets."""

from __future__ import annotations

from collections.abc import Sequence

from streamdns.dns import name, rdata
from streamdns.dns.master import head
from streamdns.errors import BadEvent, ConfigError
from streamdns.events.rrset import Gathered
from streamdns.view.writer import LocalRRset


def parse(lines: Sequence[str], default_ttl: int) -> tuple[LocalRRset, ...]:
    """Parse lines `OWNER [TTL] [IN] TYPE RDATA` to RRsets; raises ConfigError with every problem."""
    found: dict[tuple[bytes, int], Gathered] = {}
    problems = []
    for line in lines:
        try:
            owner, rdtype, ttl, wire = _parse_line(line, default_ttl)
        except ValueError as err:
            problems.append(f"DNS_LOCAL_RECORDS: {line.strip()[:80]!r}: {err}")
            continue
        found.setdefault((owner, rdtype), Gathered(owner, rdtype)).add(ttl, wire)
    rrsets = []
    for (owner, rdtype), gathered in found.items():
        try:
            rrsets.append(LocalRRset(owner, rdtype, gathered.ttl, gathered.rrset()))
        except BadEvent as err:
            problems.append(f"DNS_LOCAL_RECORDS: {name.to_text(owner)} {rdata.type_to_text(rdtype)}: {err.reason}")
    if problems:
        raise ConfigError(problems)
    return tuple(rrsets)


def _parse_line(line: str, default_ttl: int) -> tuple[bytes, int, int, bytes]:
    fields = line.split(None, 1)
    if len(fields) < 2:
        raise ValueError("a record is OWNER [TTL] [IN] TYPE RDATA")
    owner = name.from_text(fields[0]).lower()
    ttl, rdtype, content = head(fields[1])
    return owner, rdtype, default_ttl if ttl is None else ttl, rdata.from_text(rdtype, content)
