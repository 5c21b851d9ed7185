"""The reader of master files without files: what each line gives, and what is said of one that gives nothing."""

from __future__ import annotations

import os
from errno import EACCES

import pytest

from streamdns.dns import name, rdata
from streamdns.dns.generate import MAX_GENERATED, generate
from streamdns.dns.master import MasterReader, Problem, ttl_of

ORIGIN = name.from_text("example.org.")
LARGEST = 0x7FFFFFFF


def read(text: str, *, ttl: int | None = 5, **files: str) -> tuple[list[str], list[str]]:
    """Records as "owner TTL TYPE content" and the sentences about the others, of the file `zone`."""
    contents = {"zone": text} | {path.replace("__", "/"): content for path, content in files.items()}

    def open_file(path: str) -> bytes:
        if path.endswith("secret"):
            raise OSError(EACCES, os.strerror(EACCES))
        if path.endswith("strange"):
            raise ValueError("Embedded NUL")
        return contents[path].encode()

    reader = MasterReader(ORIGIN, open_file, default_ttl=ttl)
    records = [
        f"{name.to_text(each.owner).removesuffix('.example.org.')} {each.ttl} "
        f"{rdata.type_to_text(each.rdtype)} {rdata.to_text(each.rdtype, each.wire)} @{each.where}"
        for each in reader.read("zone")
    ]
    return [each.removesuffix("@zone:1").rstrip() for each in records], [str(each) for each in reader.problems]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("a A 192.0.2.1 (", "a parenthesis is not closed"),
        ("a A 192.0.2.1 )", "a parenthesis is closed that was not opened"),
        ('a TXT "b', "a quote is not closed on its line"),
        ("a TXT b\\", "a backslash at the end of a line"),
        (" A 192.0.2.1", "the record has no owner: it begins with a space, and no name stands before it"),
        ("\tA 192.0.2.1", "the record has no owner: it begins with a space, and no name stands before it"),
        ('"a" A 192.0.2.1', "the name '\"a\"' is in quotes, which names are not"),
        ("a.example.net. A 192.0.2.1", "a.example.net. is not in the zone example.org."),
        ("a SOA b c 1 2 3 4 5", "a SOA at a.example.org., which is not the top of the zone"),
        ("a", "a.example.org.: there is no record type"),
        ("X", "x.example.org.: there is no record type"),
        ("X ; c", "x.example.org.: there is no record type"),
        ("\x0c", "the name '\\x0c' has an unescaped space or control character"),
        ("\x0c ; c", "the name '\\x0c' has an unescaped space or control character"),
        ("a 5 IN", "a.example.org.: there is no record type"),
        ("a CH A 192.0.2.1", "a.example.org.: the class CH is not IN"),
        ("a class3 A 192.0.2.1", "a.example.org.: the class class3 is not IN"),
        ("a IN IN A 192.0.2.1", "a.example.org.: 'IN' is not a record type"),
        ("a ANY b", "a.example.org.: ANY is not a type of stored records"),
        ("a 5 6 A 192.0.2.1", "a.example.org.: '6' is not a record type"),
        ("a XA 192.0.2.1", "a.example.org.: 'XA' is not a record type"),
        ("a 5x A 192.0.2.1",
         "a.example.org.: '5x' is not a TTL: seconds, or numbers with a unit of w, d, h, m, s"),
        (f"a {LARGEST + 1} A 192.0.2.1",
         f"a.example.org.: the TTL {LARGEST + 1} is greater than {LARGEST} seconds"),
        ("$FROB", "'$FROB' is not a directive that is known here"),
        ("$ORIGIN", "it is written $ORIGIN NAME"),
        ("$ORIGIN a b", "it is written $ORIGIN NAME"),
        ("$ORIGIN a \x0c", "it is written $ORIGIN NAME"),
        ("$ORIGIN a X", "it is written $ORIGIN NAME"),
        ("$TTL", "it is written $TTL SECONDS"),
        ("$TTL 5 6", "it is written $TTL SECONDS"),
        ("$INCLUDE", "$INCLUDE needs the name of a file"),
        ("$INCLUDE a b c", "it is written $INCLUDE FILE ORIGIN"),
        ("$INCLUDE secret", "secret cannot be read: permission denied"),
        ("$INCLUDE strange", "strange cannot be read: embedded nul"),
        ("$GENERATE", "$GENERATE needs a range START-STOP or START-STOP/STEP"),
        ("$GENERATE 1", "$GENERATE needs a range START-STOP or START-STOP/STEP"),
        ("$GENERATE 1-2 a A", "$GENERATE is written $GENERATE START-STOP OWNER [TTL] [CLASS] TYPE CONTENT"),
        ("$GENERATE 2-1 a A 192.0.2.1", f"the range of $GENERATE goes up, by 1 or more, within 0 to {LARGEST}"),
        ("$GENERATE 1-2/0 a A 192.0.2.1", f"the range of $GENERATE goes up, by 1 or more, within 0 to {LARGEST}"),
        (f"$GENERATE 1-2/{LARGEST + 1} a A 192.0.2.1",
         f"the range of $GENERATE goes up, by 1 or more, within 0 to {LARGEST}"),
        (f"$GENERATE 1-{LARGEST + 1}/{LARGEST} a A 192.0.2.1",
         f"the range of $GENERATE goes up, by 1 or more, within 0 to {LARGEST}"),
        (f"$GENERATE 0-{MAX_GENERATED} a A 192.0.2.1", f"$GENERATE makes more than {MAX_GENERATED} records"),
        ("$GENERATE 1-1 a${-2} A 192.0.2.1", "$GENERATE gives a negative number"),
        (f"$GENERATE 1-1 a${{{LARGEST}}} A 192.0.2.1", "$GENERATE gives too large a number"),
        ("$GENERATE 1-1 a${0,256} A 192.0.2.1", "the width in ${0,256} is greater than 255"),
        ("$GENERATE 1-1 a${0,3,y} A 192.0.2.1",
         "${0,3,y} is not ${OFFSET,WIDTH,BASE} with a BASE of d, o, x, X, n, N"),
        ('$GENERATE 1-1 a$ "TXT" "b"', "a1.example.org.: '\"TXT\"' is not a record type"),
    ],
)
def test_what_is_said_of_a_line(line: str, said: str) -> None:
    """With the line of it, and nothing else is lost: the one behind it is read."""
    found, problems = read(f"{line}\nz A 192.0.2.9\n")
    assert problems == [f"zone:1: {said}"]
    assert found == ["z 5 A 192.0.2.9 @zone:2"]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("a IN A 192.0.2.1", ["a 5 A 192.0.2.1"]),
        ("a in 7 A 192.0.2.1", ["a 7 A 192.0.2.1"]),
        ("a 7 class1 A 192.0.2.1", ["a 7 A 192.0.2.1"]),
        ("a\t7\tA\t192.0.2.1\t", ["a 7 A 192.0.2.1"]),
        (f"a {LARGEST} A 192.0.2.1", [f"a {LARGEST} A 192.0.2.1"]),
        ("a A ((192.0.2.1) )", ["a 5 A 192.0.2.1"]),
        ("a TXT ( b\n ( c )\n d )", ['a 5 TXT "b" "c" "d"']),
        ("a TXT b ; c \" ( \\", ['a 5 TXT "b"']),
        ("a TXT b\x0c", ['a 5 TXT "b\\012"']),
        ("; only this", []), ("   ; only this", []), (" \t ", []),
        ("$ORIGIN sub\t\na A 192.0.2.1", ["a.sub 5 A 192.0.2.1 @zone:2"]),
        ("$TTL 7 ; short\na A 192.0.2.1", ["a 7 A 192.0.2.1 @zone:2"]),
        ("a NS @", ["a 5 NS example.org."]),
        ('a TXT "\xe9"', ['a 5 TXT "\\195\\169"']),
        ("\\; A 192.0.2.1", ["\\; 5 A 192.0.2.1"]),
        # $GENERATE.
        ("$GENERATE 0-2/2 a$ A 192.0.2.$", ["a0 5 A 192.0.2.0", "a2 5 A 192.0.2.2"]),
        (f"$GENERATE {LARGEST}-{LARGEST}/{LARGEST} a$ A 192.0.2.1", [f"a{LARGEST} 5 A 192.0.2.1"]),
        (f"$GENERATE 1-1 a${{{LARGEST - 1}}} A 192.0.2.1", [f"a{LARGEST} 5 A 192.0.2.1"]),
        ("$GENERATE 1-1 a${-1} A 192.0.2.1", ["a0 5 A 192.0.2.1"]),
        ("$GENERATE 1-1 a${1} A 192.0.2.1", ["a2 5 A 192.0.2.1"]),
        ("$GENERATE 5-5 a\\$b$$ A 192.0.2.1", ["a\\$b\\$ 5 A 192.0.2.1"]),
        ("$GENERATE 171-171 a TXT ${0,1,x} ${0,4,X} ${0,3,n} ${0,7,N} ${0,4,o}",
         ['a 5 TXT "ab" "00AB" "b.a" "B.A.0.0" "0253"']),
        ("$GENERATE 5-5 ${0,1,n}x A 192.0.2.1", ["5x 5 A 192.0.2.1"]),
        ("$GENERATE 5-5 ${0,2,n}x A 192.0.2.1", ["5.x 5 A 192.0.2.1"]),
        ("$GENERATE 5-5 ${0,3,n}x A 192.0.2.1", ["5.0x 5 A 192.0.2.1"]),
        ('$GENERATE 1-1 a MX "0 b"', ["a 5 MX 0 b.example.org."]),
        ('$GENERATE 1-1 a in 7 MX "0 b"', ["a 7 MX 0 b.example.org."]),
        ('$GENERATE 1-1 a 7 class1 MX "0 b"', ["a 7 MX 0 b.example.org."]),
        ('$GENERATE 1-1 a TXT "b \\"c d\\""', ['a 5 TXT "b" "c d"']),
        ("$GENERATE 7-7 a TXT ${0,255}", [f'a 5 TXT "{7:0255}"']),
        ('$GENERATE 1-1 a TXT 7 "c d"', ['a 5 TXT "7" "c d"']),
        ('$GENERATE 1-1 a TXT b "c d"', ['a 5 TXT "b" "c d"']),
        ('$GENERATE 1-1 a TXT "b c" "d e"', ['a 5 TXT "b c" "d e"']),
    ],
)
def test_what_a_line_gives(line: str, found: list[str]) -> None:
    assert read(line) == (found, [])


def test_as_many_as_one_line_may_make() -> None:
    assert next(generate(f"0-{MAX_GENERATED - 1} a$ A b")) == "a0 A b"


def test_included_files() -> None:
    """Beside the file that names them; their $ORIGIN ends with them, their $TTL goes on; each line has its file."""
    text = '$INCLUDE sub/one at\na A 192.0.2.1\n$INCLUDE "sub/t\\wo"\nb A 192.0.2.2\n'
    one, two = "x A 192.0.2.3\n$ORIGIN y\nx A 192.0.2.4\n$TTL 9\n", "$INCLUDE three\nx A\n"
    assert read(text, sub__one=one, sub__two=two, sub__three="c A 192.0.2.5\n") == (
        ["x.at 5 A 192.0.2.3 @sub/one:1", "x.y.at 5 A 192.0.2.4 @sub/one:3", "a 9 A 192.0.2.1 @zone:2",
         "c 9 A 192.0.2.5 @sub/three:1", "b 9 A 192.0.2.2 @zone:4"],
        ["sub/two:2: x.example.org.: A content '' is not valid: a field is missing"],
    )


def test_how_deep_files_may_include_others() -> None:
    files = {f"f{number}": f"$INCLUDE f{number + 1}\na{number} A 192.0.2.1\n" for number in range(1, 20)}
    found, problems = read("$INCLUDE f1\n", **files)
    assert [each.split()[0] for each in found] == [f"a{number}" for number in range(16, 0, -1)]
    assert problems == ["f16:1: $INCLUDE is nested deeper than 16 files"]


@pytest.mark.parametrize(
    ("text", "ttls"),
    [
        ("@ SOA a b 1 2 3 4 258\nx A 192.0.2.1\n", [258, 258]),
        ("@ 9 SOA a b 1 2 3 4 258\nx A 192.0.2.1\n", [9, 9]),
        ("$TTL 7\n@ SOA a b 1 2 3 4 258\nx A 192.0.2.1\nx 8 TXT a\nx MX 1 a\n", [7, 7, 8, 7]),
        ("x 8 A 192.0.2.1\n@ SOA a b 1 2 3 4 258\nx TXT a\n", [8, 8, 8]),
        (f"@ SOA a b 1 2 3 4 {LARGEST + 9}\n", [LARGEST]),
    ],
)
def test_ttls_that_are_not_stated(text: str, ttls: list[int]) -> None:
    found, problems = read(text, ttl=None)
    assert ([int(each.split()[1]) for each in found], problems) == (ttls, [])


def test_without_any_ttl() -> None:
    found, problems = read("x A 192.0.2.1\n", ttl=None)
    assert (found, problems) == (
        [], ["zone:1: the record has no TTL, and there was no $TTL, no TTL and no SOA before it"],
    )


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("1w2d3h4m5s", 788_645), ("1H1m", 3660), ("0" * 39 + "7", 7), ("0" * 38 + "7s", 7)],
)
def test_units_of_ttls(text: str, seconds: int) -> None:
    assert ttl_of(text) == seconds


@pytest.mark.parametrize("text", ["", "h", "1h2", "-1", "+1", "1.5", "0" * 40 + "7", "0" * 39 + "7s", "٣", "1 h"])
def test_what_is_no_ttl(text: str) -> None:
    with pytest.raises(ValueError, match="is not a TTL: seconds, or numbers with a unit of w, d, h, m, s"):
        ttl_of(text)


def test_a_name_that_is_bad_takes_the_lines_of_it_with_it() -> None:
    """The records under it are not those of the name before."""
    found, problems = read("a A 192.0.2.1\n  A 192.0.2.2\n.b A 192.0.2.3\n  A 192.0.2.4\nc A 192.0.2.5\n")
    assert [each.split()[3] for each in found] == ["192.0.2.1", "192.0.2.2", "192.0.2.5"]
    assert [each.partition(": ")[0] for each in problems] == ["zone:3", "zone:4"]
    assert "no name stands before it" in problems[1]


def test_a_problem_says_whose_record_it_is() -> None:
    reader = MasterReader(ORIGIN, lambda _: b"a 5 A 1\n.. 5 A 1\nb 5 XX\n$TTL x\n")
    assert list(reader.read("zone")) == []
    a, b = name.from_text("a.example.org."), name.from_text("b.example.org.")
    assert [(each.owner, each.rdtype) for each in reader.problems] == [(a, 1), (None, None), (b, None), (None, None)]
    assert isinstance(reader.problems[0], Problem)


def test_parentheses_that_are_never_closed() -> None:
    """The lines behind the first hundred are read as if they were; then the rest belongs to the one that is open."""
    found, problems = read("a A ( 192.0.2.1\nb A 192.0.2.2\n" * 99)
    assert (len(found), len(problems)) == (99, 99)
    found, problems = read("a A ( 192.0.2.1\nb A 192.0.2.2\n" * 101)
    assert (len(found), len(problems)) == (99, 100)


@pytest.mark.parametrize("line", ["a TXT b\\", 'a TXT "b', "a A 192.0.2.1 )"])
def test_other_mistakes_are_no_parentheses_that_are_never_closed(line: str) -> None:
    """However many there are, what stands behind a parenthesis that is not closed is read all the same."""
    found, problems = read(f"{line}\n" * 120 + "b A ( 192.0.2.2\nc A 192.0.2.3\n")
    assert ([each.split()[0] for each in found], len(problems)) == (["c"], 121)


def test_the_lines_behind_a_first_one_are_read_for_themselves_when_there_is_a_mistake_in_them() -> None:
    found, problems = read('a TXT ( b\n) )\nc A 192.0.2.3\nd TXT ( e\nf TXT "g\nh A 192.0.2.8\n')
    assert [each.split()[0] for each in found] == ["c", "h"]
    not_opened, not_closed = "a parenthesis is closed that was not opened", "a quote is not closed on its line"
    assert problems == [f"zone:1: {not_opened}", f"zone:2: {not_opened}", f"zone:4: {not_closed}",
                        f"zone:5: {not_closed}"]


def test_a_mistake_in_a_later_line_of_a_record_is_one_of_the_record() -> None:
    """What is between is read for itself."""
    found, problems = read('a TXT ( b\nb A 192.0.2.2\n"c )\nd A 192.0.2.4\n')
    assert [each.split()[0] for each in found] == ["b", "d"]
    assert problems == [
        "zone:1: a quote is not closed on its line", "zone:3: a quote is not closed on its line",
    ]


def test_what_an_export_says_of_one_instance_is_not_in_the_zone() -> None:
    """In the form of old exports, whose first line says that they are exports; elsewhere it is a comment."""
    lines = "a 5 A 192.0.2.1 ; local\nb 5 A 192.0.2.2\n; flattened: c 5 A 192.0.2.3\n; shadowed: d 5 A 192.0.2.4\n"
    old = read(f"; example.org. as streamdns holds it: 4 RRsets\n{lines}")[0]
    assert [each.split()[0] for each in old] == ["b", "c", "d"]
    assert [each.split()[0] for each in read(lines)[0]] == ["a", "b", "c", "d"]
