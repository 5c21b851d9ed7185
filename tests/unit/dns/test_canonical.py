"""Identity of RDATA: dnspython's canonical form is the oracle where it knows the type."""

from __future__ import annotations

import dns.rdata
import dns.rdataclass
import dns.rdatatype
import pytest

from streamdns.dns import rdata
from streamdns.dns.canonical import canonical, same_data, unique
from tests.unit.dns.test_rdata import CASES

#: Types whose names dnspython keeps in canonical form although RFC 4034 §6.2 lists them, or whose text is ours.
OURS = {
    "MB": "MB.Example.", "MINFO": "A.Example. B.Example.", "NXT": "A.Example. A MX", "A6": "64 ::1 A.Example.",
    "MD": "X.", "MF": "X.", "MG": "X.", "MR": "X.",
}


@pytest.mark.parametrize(("mnemonic", "text"), CASES)
def test_it_is_that_of_dnspython(mnemonic: str, text: str) -> None:
    rdtype = rdata.type_from_text(mnemonic)
    wire = rdata.from_text(rdtype, text)
    upper = rdata.from_text(rdtype, text)
    parsed = dns.rdata.from_wire(dns.rdataclass.IN, dns.rdatatype.RdataType.make(rdtype), wire, 0, len(wire))
    theirs = parsed.to_digestable()
    found = canonical(rdtype, wire)
    # SVCB and the like are younger than RFC 4034, whose list of types is closed (RFC 3597 §7).
    assert found in (theirs, wire)
    assert found.lower() == theirs.lower()
    assert canonical(rdtype, upper) == found


@pytest.mark.parametrize(
    ("mnemonic", "text"),
    [
        ("NS", "Ns.Example."), ("CNAME", "A.B."), ("SOA", "A. B. 65 66 67 68 1094795585"), ("PTR", "X."),
        ("MX", "16705 Mail."), ("SRV", "16705 16705 16705 X."), ("DNAME", "X."), ("RP", "A. B."), ("AFSDB", "65 X."),
        ("RT", "65 X."), ("PX", "65 A. B."), ("KX", "65 X."), ("NAPTR", '65 65 "AA" "BB" "CC" X.'), ("NSAP-PTR", "X."),
        ("RRSIG", "A 13 2 65 20300101000000 20200101000000 16705 Example. QUFB"),
        ("SIG", "A 13 2 65 20300101000000 20200101000000 16705 Example. QUFB"), *OURS.items(),
    ],
)
def test_names_and_nothing_else_are_compared_without_regard_to_case(mnemonic: str, text: str) -> None:
    rdtype = rdata.type_from_text(mnemonic)
    wire = rdata.from_text(rdtype, text)
    fields = text.split()
    lower = " ".join(field.lower() if field.endswith(".") else field for field in fields)
    other = rdata.from_text(rdtype, lower)
    assert wire != other
    assert canonical(rdtype, wire) == canonical(rdtype, other) == other
    assert unique(rdtype, [wire, other]) == [wire]
    assert same_data(rdtype, [wire], [other])
    assert same_data(rdtype, [other], [wire])


@pytest.mark.parametrize("mnemonic", ["TXT", "CAA", "URI", "HINFO", "TYPE65280"])
def test_strings_are_compared_octet_by_octet(mnemonic: str) -> None:
    rdtype = rdata.type_from_text(mnemonic)
    assert unique(rdtype, [b"\1a", b"\1A"]) == [b"\1a", b"\1A"]
    assert not same_data(rdtype, [b"\1a"], [b"\1A"])
