"""RDATA: the fast paths beside dnspython, every type dnspython knows, and what is refused."""

from __future__ import annotations

import importlib.util
import ipaddress
import pkgutil

import dns.name
import dns.rdata
import dns.rdatatype
import dns.rdtypes.ANY
import dns.rdtypes.IN
import dns.tokenizer
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamdns.dns import name, rdata, rdata_parse
from streamdns.dns.rdata_old import OLD_TYPES
from streamdns.dns.rdata_parse import Dialect
from streamdns.dns.rdata_plain import PLAIN

# One or more of each type that dnspython reads as text; the test below fails when it learns another.
EXAMPLES = {
    "A": ["192.0.2.7", "0.0.0.0", "255.255.255.255"],
    "AAAA": ["2001:db8::1", "::", "::1", "1:2:3:4:5:6:7::", "::ffff:192.0.2.1", "2001:DB8:0:0:8:800:200C:417A"],
    "AFSDB": ["1 afs.example.org."],
    "AMTRELAY": ["10 0 1 192.0.2.1", "10 1 2 2001:db8::1", "128 0 3 relay.example.org.", "0 0 0 ."],
    "APL": ["1:192.0.2.0/24 !2:2001:db8::/32", ""],
    "AVC": ['"app-name:WOLFGANG|app-class:OAM"'],
    "BRID": ["AQIDBA=="],
    "CAA": ['0 issue "ca.example.net; policy=ev"', '128 iodef "mailto:security@example.org"', '0 issue ""'],
    "CDNSKEY": ["0 3 0 AA==", "257 3 13 AQIDBAUGBwg="],
    "CDS": ["0 0 0 00", "12345 13 2 " + "ab" * 32],
    "CERT": ["PKIX 1 8 AQIDBA==", "65534 65535 254 AQID"],
    "CNAME": ["www.example.org.", "WWW.Example.org.", ".", r"a\.b.example.org."],
    "CSYNC": ["66 3 A NS AAAA"],
    "DHCID": ["AAIBY2/AuCccgoJbsaxcQc9TUapptP69lOjxfNuVAA2kjEA="],
    "DLV": ["12345 13 2 " + "ab" * 32],
    "DNAME": ["example.net."],
    "DNSKEY": ["257 3 13 AQIDBAUGBwg="],
    "DS": ["12345 13 2 " + "ab" * 32, "12345 8 1 " + "cd" * 20],
    "DSYNC": ["CDS NOTIFY 5359 cds-scanner.example.net.", "CSYNC NOTIFY 5360 scanner.example.net."],
    "EUI48": ["00-00-5e-00-53-2a"],
    "EUI64": ["00-00-5e-ef-10-00-00-2a"],
    "GPOS": ["-32.6882 116.8652 10.0"],
    "HHIT": ["AQIDBA=="],
    "HINFO": ['"PDP-11" "UNIX"', '"" "ab"', r'"\000\233\"" "\\"'],
    "HIP": [
        "2 200100107B1A74DF365639CC39F1D578 AwEAAbdxyhNuSutc5EMzxTs9LBPCIkOFH8cI rvs1.example.com. rvs2.example.com."
    ],
    "HTTPS": ["0 svc.example.net.", '1 . alpn="h2,h3" port="8443" ipv4hint="192.0.2.1" ipv6hint="2001:db8::1"'],
    "IPSECKEY": ["10 0 2 . AQID", "10 1 2 192.0.2.38 AQID", "10 2 2 2001:db8::8 AQID", "10 3 2 gw.example.com. AQID"],
    "ISDN": ['"150862028003217" "004"', '"150862028003217"'],
    "KEY": ["512 255 1 AQIDBA=="],
    "KX": ["10 kx.example.org."],
    "L32": ["10 10.1.2.0"],
    "L64": ["10 2001:0db8:1140:1000"],
    "LOC": ["60 9 0.000 N 24 39 0.000 E 10.00m 20.00m 2000.00m 20.00m", "42 21 54 N 71 06 18 W -24m 30m"],
    "LP": ["10 l64-subnet1.example.com."],
    "MX": ["10 mail.example.org.", "0 ."],
    "NAPTR": [
        r'100 50 "s" "z3950+I2L+I2C" "" _z3950._tcp.example.org.',
        r'1 2 "u" "E2U+sip" "!^\\+(.*)$!sip:\\1@x!" .',
    ],
    "NID": ["10 0014:4fff:ff20:ee64"],
    "NINFO": ['"status text"'],
    "NS": ["ns1.example.org."],
    "NSAP": ["0x47000580005a0000000001e133ffffff00016100"],
    "NSAP-PTR": ["foo.example.org."],
    "NSEC": ["host.example.com. A MX RRSIG NSEC TYPE1234", "host.example.com."],
    "NSEC3": [
        "1 1 12 AABBCCDD 2T7B4G4VSA5SMI47K61MV5BV1A22BOJR MX DNSKEY NS SOA",
        "1 0 0 - 2T7B4G4VSA5SMI47K61MV5BV1A22BOJR",
    ],
    "NSEC3PARAM": ["1 0 12 AABBCCDD", "1 0 0 -"],
    "OPENPGPKEY": ["AQIDBA=="],
    "PTR": ["host.example.org."],
    "PX": ["65535 foo.example.org. bar.example.org."],
    "RESINFO": ['"qnamemin" "exterr=15-17"'],
    "RP": ["mbox.example.org. txt.example.org."],
    "RRSIG": ["A 5 3 86400 20030322173103 20030220173103 2642 example.com. AQIDBA=="],
    "RT": ["2 relay.example.org."],
    "SIG": ["NXT 1 3 3600 20030322173103 20030220173103 2143 foo.nil. AQIDBA=="],
    "SMIMEA": ["3 0 0 0102", "3 0 1 " + "ab" * 32],
    "SOA": [
        "ns1.example.org. hostmaster.example.org. 2024010101 7200 3600 1209600 300",
        r"a. b\.c.d. 4294967295 1 2 3 4",
    ],
    "SPF": ['"v=spf1 -all"'],
    "SRV": ["0 5 5060 sip.example.org.", "65535 65535 65535 ."],
    "SSHFP": ["2 1 123456789abcdef67890123456789abcdef67890", "4 2 " + "ab" * 32],
    "SVCB": [
        "0 foo.example.com.",
        '16 foo.example.org. mandatory="alpn,ipv4hint" alpn="h2" ipv4hint="192.0.2.1" key667="hello"',
    ],
    "TLSA": ["3 0 1 " + "ab" * 32],
    "TXT": ['"v=spf1 -all"', '"a" "b c"', '""', r'"\"\\\000\255" "é"', '"' + "x" * 255 + '"'],
    "URI": ['10 1 "ftp://ftp1.example.com/public"'],
    "WALLET": ['"BTC" "1BoatSLRHtKNngkdXEeobR76b53LETtpyT"'],
    "WKS": ["192.0.2.1 6 25 80", "192.0.2.1 17"],
    "X25": ['"311061700956"'],
    "ZONEMD": ["2018031900 1 1 " + "ab" * 48],
}
CASES = [(mnemonic, text) for mnemonic, texts in EXAMPLES.items() for text in texts]
FAST = sorted(PLAIN)


def _type(mnemonic: str) -> int:
    return rdata.type_from_text(mnemonic)


def _by_dnspython(rdtype: int, text: str) -> bytes | None:
    """Wire form by dnspython alone, None where it refuses the text."""
    try:
        return dns.rdata.from_text("IN", rdtype, text, origin=dns.name.root, relativize=False).to_wire()
    except Exception:  # whatever it raises, it is a refusal
        return None


def _ours(rdtype: int, text: str) -> bytes | None:
    try:
        return rdata.from_text(rdtype, text)
    except ValueError as err:
        said = str(err)
    assert len(said) < 700
    assert "\n" not in said
    return None


def test_there_is_an_example_of_every_type_of_dnspython() -> None:
    modules = [
        module.name.replace("_", "-")
        for folder in (dns.rdtypes.ANY, dns.rdtypes.IN)
        for module in pkgutil.iter_modules(folder.__path__)
    ]
    assert len(modules) > 60
    assert set(EXAMPLES) == set(modules) - {"OPT", "TKEY", "TSIG"}
    assert {_type(mnemonic) for mnemonic in EXAMPLES} == set(
        filter(rdata.is_data_type, rdata.text_types() - OLD_TYPES)
    )


@pytest.mark.parametrize(("mnemonic", "text"), CASES)
def test_every_type_round_trips(mnemonic: str, text: str) -> None:
    rdtype = _type(mnemonic)
    wire = rdata.from_text(rdtype, text)
    assert wire == _by_dnspython(rdtype, text)
    shown = rdata.to_text(rdtype, wire)
    assert rdata.from_text(rdtype, shown) == wire
    assert shown.isascii()
    assert "\n" not in shown
    # Nothing above needs the generic form, but an empty APL, whose own text would be nothing at all.
    assert shown.startswith("\\#") == (text == "")


@pytest.mark.parametrize(("mnemonic", "text"), CASES)
def test_every_type_has_the_generic_form(mnemonic: str, text: str) -> None:
    rdtype = _type(mnemonic)
    wire = rdata.from_text(rdtype, text)
    assert rdata.from_text(rdtype, f"\\# {len(wire)} {wire.hex()}") == wire
    assert rdata.from_text(rdtype, f"\\# ({len(wire)}\t{wire.hex(' ')} )") == wire
    with pytest.raises(ValueError, match="announces"):
        rdata.from_text(rdtype, f"\\# {len(wire) + 1} {wire.hex()}")


@pytest.mark.parametrize(("mnemonic", "text"), [case for case in CASES if case[0] not in ("TXT", "SPF")])
def test_one_content_is_one_rdata(mnemonic: str, text: str) -> None:
    rdtype = _type(mnemonic)
    for more in (f"{text}\n{text}", f"({text}\n)", f"{text}\r", f'{text} "', f"{text} )"):
        assert _ours(rdtype, more) is None, more


@pytest.mark.parametrize("mnemonic", ["A", "AAAA", "CNAME", "NS", "PTR", "MX", "SRV", "SOA", "CAA", "DNAME"])
def test_trailing_fields_are_refused(mnemonic: str) -> None:
    for text in EXAMPLES[mnemonic]:
        assert _ours(_type(mnemonic), f"{text} more") is None


@settings(max_examples=300)
@given(st.data())
def test_any_wire_form_round_trips_or_is_shown_in_generic_form(data: st.DataObject) -> None:
    """Wire forms near the examples: what is accepted in generic form is shown as text that gives it back."""
    mnemonic, text = data.draw(st.sampled_from(CASES))
    rdtype = _type(mnemonic)
    wire = bytearray(rdata.from_text(rdtype, text))
    for at, octet in data.draw(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 255)), max_size=3)):
        wire[at : at + 1] = bytes((octet,))
    generic = f"\\# {len(wire)} {wire.hex()}"
    shown = rdata.to_text(rdtype, bytes(wire))
    assert "\n" not in shown
    if _ours(rdtype, generic) is not None:
        assert rdata.from_text(rdtype, shown) == wire
    else:
        assert shown == generic.strip()


numbers = st.one_of(
    st.sampled_from(
        [
            "0",
            "00",
            "1",
            "007",
            "255",
            "256",
            "65535",
            "65536",
            "4294967295",
            "4294967296",
            "-1",
            "+1",
            "1_0",
            "1h",
            "²",
        ]
    ),
    st.integers(0, 70000).map(str),
)
name_texts = st.one_of(
    st.sampled_from(
        [
            ".",
            "a",
            "a.",
            "mail.Example.org",
            "*.x.",
            "_sip._tcp.x.",
            r"a\.b.",
            r"a\032b.",
            "a..b",
            ".a",
            "a" * 64,
            "a;b",
            'a"b.',
        ]
    ),
    st.from_regex(r"\A([A-Za-z0-9_*-]{1,9}\.){1,3}\Z"),
    st.just(".".join(["a" * 63] * 4)),
)
addresses = st.one_of(
    st.ip_addresses().map(str),
    st.ip_addresses(v=6).map(lambda address: address.exploded),
    st.text("0123456789abcdefF:.%", max_size=20),
    st.lists(st.sampled_from(["", "0", "1", "00001", "abcd", "g"]), min_size=7, max_size=9).map(":".join),
    st.lists(st.integers(0, 300).map(str) | st.just("01"), min_size=3, max_size=5).map(".".join),
)
strings = st.one_of(
    st.text(st.characters(max_codepoint=0x17F, exclude_characters='"\\\n\r'), max_size=20),
    st.sampled_from(["x" * 255, "x" * 256, r"\"", r"\\", r"\;", r"\000\255", r"\256", "\\", "a;b", "(", "é", "\\é"]),
).map(lambda text: f'"{text}"')
fields = st.one_of(numbers, name_texts, addresses, strings, st.sampled_from(["issue", "iodef", "a-b", "é"]))
gaps = st.sampled_from([" ", " ", " ", " ", "  ", "\t", "", "\xa0"])


@st.composite
def contents(draw: st.DrawFn) -> tuple[int, str]:
    rdtype = draw(st.sampled_from(FAST))
    shape = {
        1: [addresses],
        6: [name_texts, name_texts] + [numbers] * 5,
        15: [numbers, name_texts],
        28: [addresses],
        33: [numbers, numbers, numbers, name_texts],
        257: [numbers, st.sampled_from(["issue", "ISSUE2", "a-b", "", "x" * 256]), strings],
    }.get(rdtype)
    if shape is None:
        shape = [strings] * draw(st.integers(1, 3)) if rdtype in (16, 99) else [name_texts]
    if draw(st.integers(0, 9)) == 0:
        shape = draw(st.permutations([*shape, fields]))[: len(shape)]
    text = "".join(draw(field) + draw(gaps) for field in shape)
    ending = draw(st.sampled_from(["", "", "", " ", "", " x"]))
    return rdtype, text.strip(" \t") + ending


@settings(max_examples=800)
@given(contents())
def test_fast_paths_equal_dnspython(content: tuple[int, str]) -> None:
    rdtype, text = content
    if not text.isascii():
        # Names beyond ASCII are UTF-8 here and IDNA there; the table below has what is expected of them.
        text = text.encode("ascii", "ignore").decode()
    ours, theirs = _ours(rdtype, text), _by_dnspython(rdtype, text)
    if rdtype in (16, 99) and ours != theirs:
        # Bare words are strings of their own there; here they are one string alone, and refused beside quoted ones.
        assert theirs is None or any(token.is_identifier() for token in dns.tokenizer.Tokenizer(text).get_remaining())
        assert ours is None or '"' not in text
        return
    if ours is None and ";" in text:
        return  # Begins a comment there, and would cut the content off without a word.
    assert ours == theirs


@given(contents())
def test_fast_paths_never_judge_alone(content: tuple[int, str]) -> None:
    """Whatever a fast path accepts, the way by dnspython accepts with the same result, beyond ASCII too."""
    rdtype, text = content
    fast = PLAIN[rdtype](text)
    if fast is not None:
        assert rdata_parse.parse(rdtype, text, Dialect()) == fast


@given(st.ip_addresses(v=6))
def test_addresses(address: ipaddress.IPv6Address) -> None:
    for text in (str(address), address.exploded, address.exploded.upper()):
        assert PLAIN[28](text) in (address.packed, None)
        assert rdata.from_text(28, text) == address.packed
    assert rdata.from_text(28, rdata.to_text(28, address.packed)) == address.packed


@settings(max_examples=300)
@given(
    st.integers(0, 300) | st.integers(0, 65535),
    st.text(st.sampled_from('\\#"(); \t\n0129aAé.@:-') | st.characters(), max_size=60),
)
def test_any_text_is_wire_form_or_a_value_error(rdtype: int, text: str) -> None:
    wire = _ours(rdtype, text)
    if wire is not None:
        assert rdata.is_data_type(rdtype)
        assert rdata.from_text(rdtype, rdata.to_text(rdtype, wire)) == wire


@given(st.integers(0, 65535), st.binary(max_size=40))
def test_any_wire_form_has_a_text(rdtype: int, wire: bytes) -> None:
    text = rdata.to_text(rdtype, wire)
    assert "\n" not in text
    assert text.isascii()


@given(st.integers(0, 65535))
def test_types_round_trip(rdtype: int) -> None:
    assert rdata.type_from_text(rdata.type_to_text(rdtype)) == rdtype
    assert rdata.type_to_text(rdtype) == dns.rdatatype.to_text(dns.rdatatype.RdataType.make(rdtype))


def test_types_of_stored_records() -> None:
    refused = {rdtype for rdtype in range(65536) if not rdata.is_data_type(rdtype)}
    assert refused == {0, 41} | set(range(128, 256))


def test_no_type_is_looked_for_on_disk_while_running() -> None:
    assert importlib.util.find_spec("dns.rdtypes.ANY.TXT") is not None
    assert dns.rdata._dynamic_load_allowed is False


@given(st.binary(min_size=1, max_size=63))
def test_names_in_content_follow_the_rules_of_names(label: bytes) -> None:
    wire = bytes((len(label),)) + label + b"\0"
    for rdtype, before in ((5, b""), (15, b"\0\1"), (47, b"")):
        after = b"\0\1\x40" if rdtype == 47 else b""
        shown = rdata.to_text(rdtype, before + wire + after)
        assert name.to_text(wire) in shown
        assert rdata.from_text(rdtype, shown) == before + wire + after
