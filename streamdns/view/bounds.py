"""Makes what the table of cuts holds of apexes, delegations and DNAMEs, which bound what is answered from a zone."""

from __future__ import annotations

from streamdns.dns.negative import HAS_TEMPLATE, template
from streamdns.dns.node import SOA, cut_flags, records_of


def cut_value(raw: bytes, owner: bytes) -> bytes:
    """Make the value that the table of cuts holds for a node: its flags, and at an apex the SOA of negative answers."""
    return bounds_value(cut_flags(raw), records_of(raw, SOA, owner=owner), owner)


def bounds_value(flags: int, soa: bytes | None, owner: bytes) -> bytes:
    """Make the same from a node's flags and the records of its SOA."""
    ready = b"" if soa is None else template(owner, soa)
    return bytes((flags | HAS_TEMPLATE,)) + ready if ready else bytes((flags,))
