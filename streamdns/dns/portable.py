"""Writes records as text that name servers of today read: BIND 9.18, NSD 4.6 and Knot 3.2 (Debian 12).

A type that one of them has no text for is written in the generic form of RFC 3597, which every one reads. Pure.
"""

from __future__ import annotations

from streamdns.dns import name, rdata

#: The types whose text all three read; a test asks them.
_KNOWN = frozenset(
    rdata.type_from_text(mnemonic)
    for mnemonic in (
        "A NS CNAME SOA PTR HINFO MINFO MX TXT RP AFSDB RT KEY AAAA LOC SRV NAPTR KX CERT DNAME APL DS SSHFP IPSECKEY "
        "RRSIG NSEC DNSKEY DHCID NSEC3 NSEC3PARAM TLSA SMIMEA CDS CDNSKEY OPENPGPKEY CSYNC ZONEMD SVCB HTTPS SPF NID "
        "L32 L64 LP EUI48 EUI64 URI CAA"
    ).split()
)
_SVCB_TYPES = frozenset((64, 65))


def record_line(owner: bytes, ttl_s: int, rdtype: int, wire: bytes) -> str:
    """One record of a zone file: absolute names, class and TTL stated."""
    return f"{name.to_text(owner)} {ttl_s} IN {type_and_content(rdtype, wire)}"


def type_and_content(rdtype: int, wire: bytes) -> str:
    """The type and the content of a record."""
    if rdtype in _KNOWN:
        text = rdata.to_text(rdtype, wire)
        # Knot 3.2 takes one backslash too many from the twice escaped items of alpn (RFC 9460 appendix A.1).
        if rdtype not in _SVCB_TYPES or "\\\\" not in text:
            return f"{rdata.type_to_text(rdtype)} {text}"
    return f"TYPE{rdtype} {rdata.generic_text(wire)}"
