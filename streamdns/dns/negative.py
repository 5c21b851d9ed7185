"""Prepares the SOA of negative answers nearly as it is sent (RFC 2308); the view keeps it beside each apex.

`template` is made when a zone's SOA is written. It holds the whole authority record with the lower TTL (RFC 2308 §3)
and with places for three pointers to the apex's name in the question: owner, end of MNAME, end of RNAME.
"""

from __future__ import annotations

from streamdns.dns.wire import name_end

_HEAD = 12


def template(apex: bytes, records: bytes) -> bytes:
    """The form of a SOA (records as a node holds them) below its apex (wire form, lower case).

    Empty where MNAME or RNAME is not below the apex, or the apex is the root: then nothing is shared with the question
    in this simple way. Two octets say where the second and third pointer go, the record follows.
    """
    if len(records) > 250 or apex == b"\0":
        return b""
    end_of_mname = name_end(records, _HEAD)
    end_of_rname = name_end(records, end_of_mname)
    mname, rname = records[_HEAD:end_of_mname], records[end_of_mname:end_of_rname]
    mname_prefix, rname_prefix = _above(mname, apex), _above(rname, apex)
    if mname_prefix is None or rname_prefix is None:
        return b""
    ttl = min(records[6:10], records[-4:])
    rdata = mname_prefix + b"\0\0" + rname_prefix + b"\0\0" + records[end_of_rname:]
    second = _HEAD + len(mname_prefix)
    third = second + 2 + len(rname_prefix)
    return bytes((second, third)) + b"\0\0" + records[2:6] + ttl + len(rdata).to_bytes(2, "big") + rdata


def _above(full: bytes, apex: bytes) -> bytes | None:
    """The labels of a name before the apex, None where the name is not at or below it."""
    lower = full.lower()
    at = 0
    while lower[at:] != apex:
        if not lower[at]:
            return None
        at += lower[at] + 1
    return full[:at]
