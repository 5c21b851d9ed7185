"""The zone file reader, beside dnspython's own where both read the same."""

from __future__ import annotations

import pathlib

import dns.rdataclass
import dns.zone
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamdns.commands import CommandError
from streamdns.commands.zonefile import BadZoneFile, FileRRsets, read, read_what_is_good
from streamdns.dns import name, rdata
from tests.harness import ROOT
from tests.unit.dns.test_rdata import CASES

SOA = "@ IN SOA ns1 host 1 2 3 4 555\n"
ORIGIN = name.from_text("example.org.")


def parse(folder: pathlib.Path, text: str | bytes, origin: bytes = ORIGIN) -> FileRRsets:
    file = folder / "zone"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read(str(file), origin)


def shown(rrsets: FileRRsets) -> dict[str, tuple[int, list[str]]]:
    return {
        f"{name.to_text(owner)} {rdata.type_to_text(rdtype)}": (
            rrset.ttl, [rdata.to_text(rdtype, wire) for wire in rrset.rdatas],
        )
        for (owner, rdtype), rrset in rrsets.items()
    }


def test_owners_classes_and_ttls_in_every_order(tmp_path: pathlib.Path) -> None:
    text = """
$TTL 1h
@   IN SOA ns1 host ( 1 2 3   ; a comment
                      4 5 )
    NS ns1
    10 IN TXT a "b c"
WWW IN 20 A 192.0.2.1
    A 192.0.2.2 ; comment
    IN A 192.0.2.1
a   CLASS1 5 CNAME b
a   5 TXT "beside the CNAME"
$ORIGIN sub
x   AAAA 2001:db8::1
$ORIGIN example.org.
*   MX 10 mail
\\@.z TYPE65280 \\# 2 beef
\t
"""
    assert shown(parse(tmp_path, text)) == {
        "example.org. SOA": (3600, ["ns1.example.org. host.example.org. 1 2 3 4 5"]),
        "example.org. NS": (3600, ["ns1.example.org."]),
        "example.org. TXT": (10, ['"a" "b c"']),
        "www.example.org. A": (20, ["192.0.2.1", "192.0.2.2"]),
        "a.example.org. CNAME": (5, ["b.example.org."]),
        "a.example.org. TXT": (5, ['"beside the CNAME"']),
        "x.sub.example.org. AAAA": (3600, ["2001:db8::1"]),
        "*.example.org. MX": (3600, ["10 mail.example.org."]),
        "\\@.z.example.org. TYPE65280": (3600, ["\\# 2 beef"]),
    }


def test_ttls_by_rfc_2308(tmp_path: pathlib.Path) -> None:
    """Its own, that of $TTL, the last one stated; a SOA without one and without $TTL gives its minimum, as in BIND."""
    lines = ("a A 192.0.2.1", "b 7 A 192.0.2.1", "c A 192.0.2.1", "$TTL 9", "d A 192.0.2.1", "e 1w2d A 192.0.2.1",
             "f A 192.0.2.1")
    for soa, expected in (
        (SOA, [555, 555, 7, 555, 9, 777600, 9]), (SOA.replace("IN", "8 IN"), [8, 8, 7, 7, 9, 777600, 9]),
    ):
        found = parse(tmp_path, soa + "\n".join(lines))
        assert [rrset.ttl for rrset in found.values()] == expected


def test_octets_beyond_ascii_stay_what_they_are(tmp_path: pathlib.Path) -> None:
    found = shown(parse(tmp_path, "$TTL 1\né TXT \"é\" \\\\é \\é ; é\n"))
    assert found == {"\\195\\169.example.org. TXT": (1, ['"\\195\\169" "\\\\\\195\\169" "\\195\\169"'])}
    latin = shown(parse(tmp_path, b'$TTL 1\na TXT "\xe9"\n'))
    assert latin == {"a.example.org. TXT": (1, ['"\\233"'])}


def test_includes_are_relative_to_the_file_and_only_their_ttl_goes_on_behind_them(tmp_path: pathlib.Path) -> None:
    (tmp_path / "more" / "deep").mkdir(parents=True)
    hosts = "$TTL 8\n$INCLUDE deep/last\na A 192.0.2.1\n$ORIGIN elsewhere.example.org.\n"
    (tmp_path / "more" / "hosts").write_text(hosts)
    (tmp_path / "more" / "deep" / "last").write_text('b TXT "deep"')
    text = SOA + "$TTL 5\nx A 192.0.2.9\n$INCLUDE more/hosts sub\n  TXT x\n$INCLUDE \"more/deep/last\"\ny A 192.0.2.1\n"
    assert {key: ttl for key, (ttl, _) in shown(parse(tmp_path, text)).items()} == {
        "example.org. SOA": 555, "x.example.org. A": 5, "b.sub.example.org. TXT": 8, "a.sub.example.org. A": 8,
        "x.example.org. TXT": 8, "b.example.org. TXT": 8, "y.example.org. A": 8,
    }


def test_generate(tmp_path: pathlib.Path) -> None:
    text = SOA + (
        "$GENERATE 1-3 w$ A 192.0.2.$\n$GENERATE 0-20/10 h${1,3,x} 60 IN CNAME w${+2}.a\\$b\n"
        '$GENERATE 7-7 t TXT "$ and $$" \\$\n'
    )
    found = shown(parse(tmp_path, text))
    del found["example.org. SOA"]
    assert found == {
        "w1.example.org. A": (555, ["192.0.2.1"]),
        "w2.example.org. A": (555, ["192.0.2.2"]),
        "w3.example.org. A": (555, ["192.0.2.3"]),
        "h001.example.org. CNAME": (60, ["w2.a\\$b.example.org."]),
        "h00b.example.org. CNAME": (60, ["w12.a\\$b.example.org."]),
        "h015.example.org. CNAME": (60, ["w22.a\\$b.example.org."]),
        "t.example.org. TXT": (555, ['"7 and $" "$"']),
    }


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("www.example.net. 5 A 192.0.2.1", 1, "www.example.net. is not in the zone example.org."),
        ("\n\nwwwexample.org. 5 A 192.0.2.1", 3, "is not in the zone"),
        ("$ORIGIN net.\na 5 A 192.0.2.1", 2, "is not in the zone"),
        ("a 5 A (\n192.0.2.300 )\n", 1, "a.example.org.: A content '192.0.2.300' is not valid: an IPv4 address"),
        ("a 5 CH A 192.0.2.1", 1, "class CH"),
        ("a A 192.0.2.1", 1, "no TTL"),
        ("  5 A 192.0.2.1", 1, "no owner"),
        ("a 5", 1, "there is no record type"),
        ("b 5 A 192.0.2.1\na", 2, "there is no record type"),
        ("\n$TTL", 2, "$TTL SECONDS"),
        ("a 5 A 192.0.2.1 192.0.2.2", 1, "'192.0.2.2' is too much"),
        ("a 5 FROB x", 1, "FROB"),
        ("a 5 ANY x", 1, "not a type of stored records"),
        ("a 5 A 192.0.2.1 more", 1, ""),
        ("a 2147483648 A 192.0.2.1", 1, "TTL"),
        ("a 5x A 192.0.2.1", 1, "unit"),
        ("a..b 5 A 192.0.2.1", 1, "empty"),
        ('a 5 TXT "open', 1, ""),
        ("a 5 TXT (x", 1, ""),
        ("$FROB x", 1, "$FROB"),
        ("$GENERATE 5-1 a$ A 192.0.2.$", 1, "range"),
        ("$GENERATE 1-999999999 a$ A 192.0.2.1", 1, "more than"),
        ("$TTL 5\n$GENERATE 1-2 a$ A 192.0.2.${-2}", 2, "negative"),
        ("\n$INCLUDE none", 2, "cannot be read"),
        ("$INCLUDE zone", 1, "deeper"),
        ("a 5 SOA b c 1 2 3 4 5", 1, "not the top"),
    ],
)
def test_a_mistake_is_one_sentence_with_its_line(tmp_path: pathlib.Path, text: str, line: int, said: str) -> None:
    with pytest.raises(CommandError) as failed:
        parse(tmp_path, text)
    sentence = str(failed.value)
    assert "\n" not in sentence
    assert said in sentence
    assert str(tmp_path) in sentence
    if line:
        assert f"zone:{line}: " in sentence


WORDS = st.sampled_from([
    "@", "www", "a.b", "*", "ns1.example.org.", "IN", "5", "1h", "A", "TXT", "MX", "CNAME", "192.0.2.1", "10", "mail",
    '"q s"', "(", ")", ";", "\n", "\n", " ", "\t", "$ORIGIN", "$TTL", "sub", "\\", "\\065", '"', "é", "\0",
])


@given(st.lists(WORDS, max_size=25))
def test_any_text_is_read_or_refused_in_one_sentence(
    tmp_path_factory: pytest.TempPathFactory, words: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("any")
    try:
        found = parse(folder, SOA + " ".join(words).replace("\n ", "\n"))
    except CommandError as err:
        assert "\n" not in str(err)
        return
    assert (ORIGIN, 6) in found


@settings(max_examples=400)
@given(
    st.sampled_from(CASES), st.booleans(),
    st.lists(st.tuples(st.integers(0, 60), st.sampled_from('\\"();@$.0 9aZ:-=,\n\0\xe9')), max_size=4),
)
def test_no_mutated_record_is_more_than_a_problem_of_its_line(
    tmp_path_factory: pytest.TempPathFactory, case: tuple[str, str], replaces: bool, edits: list[tuple[int, str]]
) -> None:
    """Whatever stands in the place of a record, what is said is one sentence, and what is taken can be published."""
    mnemonic, text = case
    for at, character in edits:
        text = text[:at] + character + text[at + replaces :]
    file = tmp_path_factory.mktemp("mutated") / "zone"
    file.write_bytes(f"{SOA}a 5 {mnemonic} {text}\n".encode())
    found, problems = read_what_is_good(str(file), ORIGIN)
    assert all("\n" not in str(problem) and len(str(problem)) < 1000 for problem in problems)
    for (_, rdtype), rrset in found.items():
        for wire in rrset.rdatas:
            assert rdata.from_text(rdtype, rdata.to_text(rdtype, wire)) == wire


def test_the_root_zone(tmp_path: pathlib.Path) -> None:
    found = shown(parse(tmp_path, ". 5 SOA a. b. 1 2 3 4 5\norg 5 NS ns.org\n", b"\0"))
    assert found == {". SOA": (5, ["a. b. 1 2 3 4 5"]), "org. NS": (5, ["ns.org."])}


def test_the_example_zone_as_dnspython_reads_it() -> None:
    path = str(ROOT / "examples" / "example.org.zone")
    zone = dns.zone.from_file(path, "example.org.", relativize=False)
    theirs = {
        (node.to_wire(), int(rdataset.rdtype)): (rdataset.ttl, sorted(each.to_wire() for each in rdataset))
        for node, rdataset in zone.iterate_rdatasets()
        if rdataset.rdclass == dns.rdataclass.IN
    }
    assert {key: (rrset.ttl, sorted(rrset.rdatas)) for key, rrset in read(path, ORIGIN).items()} == theirs


def test_bad_records_are_all_named_and_the_good_ones_read(tmp_path: pathlib.Path) -> None:
    """A mistake ends with its record: an open parenthesis or quote takes nothing else with it."""
    lines = [
        "a 5 A 192.0.2.1", "b 5 A 192.0.2", "c 5 TXT \"open", "d 5 A ) 192.0.2.6", "e 5 A 192.0.2.5", "f 5 MX ( 10",
        "g 5 CNAME x", "g 5 CNAME y", "h 5 TXT x\\", "$FROB", "i 5 A 192.0.2.9",
    ]
    file = tmp_path / "zone"
    file.write_text("\n".join(lines))
    found, problems = read_what_is_good(str(file), ORIGIN)
    assert [name.to_text(owner).partition(".")[0] for owner, _ in found] == ["a", "e", "i"]
    assert [(int(each.where.rpartition(":")[2]), each.rdtype) for each in problems] == [
        (2, 1), (3, None), (4, None), (6, None), (9, None), (10, None), (7, 5),
    ]
    with pytest.raises(BadZoneFile) as failed:
        read(str(file), ORIGIN)
    assert failed.value.problems == problems


@pytest.mark.parametrize(
    ("line", "owners", "contents"),
    [
        ("10-11 ${0,7,n}.0 PTR host-$", ["a.0.0.0.0", "b.0.0.0.0"], ["host-10.example.org.", "host-11.example.org."]),
        ("300-300 x${0,0,N} PTR h", ["xc.2.1"], ["h.example.org."]),
        ('1-1 mx$ MX "0 host$"', ["mx1"], ["0 host1.example.org."]),
        ('1-1 t$ TXT "a b $"', ["t1"], ['"a" "b" "1"']),
        ('1-1 t$ TXT "\\"a b\\" $"', ["t1"], ['"a b" "1"']),
        ("8-8 t${0,3,o}-${250,4,x} IN 6 A 192.0.2.$", ["t010-0102"], ["192.0.2.8"]),
        ("8-9/2147483647 t$$ A 192.0.2.$", ["t\\$"], ["192.0.2.8"]),
        ("0-0 a${1,2,d}} A 192.0.2.$", ["a01}"], ["192.0.2.0"]),
        ("7-7 a$ 1h CNAME b$ ; comment $", ["a7"], ["b7.example.org."]),
    ],
)
def test_generate_as_bind_has_it(tmp_path: pathlib.Path, line: str, owners: list[str], contents: list[str]) -> None:
    found = parse(tmp_path, f"$TTL 5\n$GENERATE {line}\n")
    assert [name.to_text(owner) for owner, _ in found] == [f"{owner}.example.org." for owner in owners]
    assert [rdata.to_text(rdtype, rrset.rdatas[0]) for (_, rdtype), rrset in found.items()] == contents


@pytest.mark.parametrize(
    "line",
    [
        "1-3 ho${0,3,y} A 192.0.2.$", "1-3 hp${0 A 192.0.2.$", "1-1 host$ TXT foo${2147483647}",
        "0-1 a${0,1,} A 192.0.2.$", "0-1 a${} A 192.0.2.$", "0-1 a${ 1} A 192.0.2.$",
        "0-1/0 a$ A 192.0.2.$", "0-1 a${1,2,dd} A 192.0.2.$",
        "0-1 a$", "0-1 a$ A", "x a$ A 192.0.2.1", "0-1 a$ SOA a. b. 1 2 3 4 5", "0-0 a${0,256} A 192.0.2.1",
    ],
)
def test_what_generate_does_not_understand_is_an_error(tmp_path: pathlib.Path, line: str) -> None:
    with pytest.raises(CommandError, match=":2: "):
        parse(tmp_path, f"$TTL 5\n$GENERATE {line}\n")


def test_records_that_an_export_keeps_as_comments_are_records(tmp_path: pathlib.Path) -> None:
    text = 'a 5 IN CNAME b.\n; shadowed: a.example.org. 5 IN TXT "x;y"\n; local: c.example.org. 5 IN A 192.0.2.1\n'
    assert shown(parse(tmp_path, text)) == {
        "a.example.org. CNAME": (5, ["b."]), "a.example.org. TXT": (5, ['"x;y"']),
    }


def test_names_in_records_are_the_same_in_any_case(tmp_path: pathlib.Path) -> None:
    """One record in the spelling that came first, where BIND, NSD and Knot have one (RFC 4034 §6.2)."""
    text = (
        "$TTL 5\na CNAME www\na CNAME WWW\nb NS x\nb NS X\nc MX 1 x\nc MX 1 X\nc MX 2 x\n"
        "d SRV 1 2 3 x\nd SRV 1 2 3 X\n"
        'e NAPTR 1 1 "U" "" "" x\ne NAPTR 1 1 "U" "" "" X\ne NAPTR 1 1 "u" "" "" x\nf TXT a\nf TXT A\n'
    )
    assert {key: len(records) for key, (_, records) in shown(parse(tmp_path, text)).items()} == {
        "a.example.org. CNAME": 1, "b.example.org. NS": 1, "c.example.org. MX": 2, "d.example.org. SRV": 1,
        "e.example.org. NAPTR": 2, "f.example.org. TXT": 2,
    }
