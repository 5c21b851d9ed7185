"""Events and lines in the plainest spelling: what decodes them where it is compiled gives what the general way does."""

from __future__ import annotations

import json
import random
from collections.abc import Callable

import pytest

from streamdns.dns import rdata
from streamdns.dns.rdata_plain import PLAIN
from streamdns.events.batch import Record
from streamdns.events.event import RRsetEvent, decode
from streamdns.sources.filelog import TOPIC, decode_line
from tests.in_python import compiled

plain = compiled("streamdns.events._plain")
pytestmark = pytest.mark.skipif(plain is None, reason="not compiled here")

_KINDS = {text: (rdtype, PLAIN[rdtype]) for text, rdtype in rdata.DATA_TYPES.items() if rdtype in PLAIN}
_OWNERS = ("h1.bench.example.", "a.", "*.x.", "_x.y-z.", "a" * 63 + ".b.", "ab." * 84 + "a.", "ab." * 84 + "ab.")
_ODD_OWNERS = ("H.x.", ".", "x", "a..b.", ".a.", "a" * 64 + ".b.", "ab." * 84 + "abc.", "a\\.b.", "é.", "a b.", "a|b.",
               "")
_CONTENTS = {
    "A": ("10.0.0.1", "255.255.255.255", "1.2.3", "01.2.3.4", "1.2.3.4 ", "1.2.3.4.5", "", "1" * 70),
    "AAAA": ("::1", "2001:DB8::1", "::ffff:1.2.3.4", "1:2", "::1%1", "", ":" * 70),
    "CNAME": ("a.b.", "A.b", "..", "a b."), "NS": ("a.b.", "A.b."),
    "TXT": (r"\"x 1 a\"", r"\"\"", "x", r"\"x\" \"y\"", r"\"x\\", r"\"x", r"\"\n\""),
    "MX": ("10 a.b.", "a.b.", "1 2 a."), "SRV": ("1 2 3 a.b.", "2 3 a.b."), "DNAME": ("a.",),
    "CAA": (r"0 issue \"x\"",), "SOA": ("a. b. 1 2 3 4 5",), "SPF": (r"\"x\"",), "PTR": ("x.y.",),
    "TYPE1": ("1.2.3.4",),
}
_TTLS = ("300", "0", "2147483647", "2147483648", "00", "-1", "3.0", "null", "1e3", '"3"', "99999999999")
_METADATAS = (
    "{}", '{"createdAt":1}', '{"createdAt":1579024540,"producer":"deployd"}', '{ "createdAt" : 12 , "producer" : "" }',
    '{"producer":"x y/z~"}', *(f'{{"producer":"{"x" * size}"}}' for size in (238, 239, 240, 241, 242, 300)),
    '{"producer":"x","createdAt":1}', '{"x":1}', '{"createdAt":01}', '{"createdAt":1,}', '{"createdAt":1',
    '{"createdAt":999999999999999999}', '{"createdAt":9999999999999999999}', '{"createdAt":"1"}', "null", "[]",
)
_ODD_MEMBERS = ('"priority":1', '"name":"x."', '"ttl":5', '"x":1', '"Name":"x."', '"metadatas":{}')


def _value(chance: random.Random, owner: str, rdtype: str) -> str:
    count = 1 if chance.random() < 0.7 else chance.choice((2, 3, 4, 16, 17))
    records = [_record(chance, owner, rdtype) for _ in range(count)]
    comma = "," if chance.random() < 0.9 else " , "
    return f"[{comma.join(records)}]"


def _record(chance: random.Random, owner: str, rdtype: str) -> str:
    def one(usual: str, *others: str) -> str:
        return usual if chance.random() < 0.9 else chance.choice(others)

    of_type = chance.choice(_CONTENTS.get(rdtype, ("x",))[: chance.choice((1, 2, 9))])
    if chance.random() < 0.5:
        of_type = of_type.replace("1", str(chance.randrange(1, 250)), 1)
        of_type = of_type.replace("a", chance.choice(("b", "A", "cd")), 1)
    members = [f'"name":"{one(owner, "other.")}"', f'"type":"{one(rdtype, "A")}"', f'"content":"{of_type}"']
    if chance.random() < 0.8:
        members.append(f'"ttl":{one("300", *_TTLS)}')
    if chance.random() < 0.3:
        members.append(f'"metadatas":{chance.choice(_METADATAS[: chance.choice((3, 99))])}')
    if chance.random() < 0.1:
        members.append(chance.choice(_ODD_MEMBERS))
    if chance.random() < 0.3:
        chance.shuffle(members)
    space = one("", " ")
    record = f"{space}{{{space}{f'{space},{space}'.join(members)}{space}}}{space}"
    return record if chance.random() < 0.97 else chance.choice(("", "{}", "null", f"[{record}]"))


def _hurt(chance: random.Random, text: str) -> str:
    """Text with one character more, fewer or in place of another, once in a while."""
    if chance.random() < 0.8:
        return text
    at = chance.randrange(len(text) + 1)
    instead = chance.choice(("", "\\", " ", "é", "\x7f", "\t", "\0", ",", "}", "]", '"'))
    return text[:at] + instead + text[at + chance.randrange(2):]


def _events(count: int) -> list[tuple[str, str]]:
    chance = random.Random(11)
    made = []
    for _ in range(count):
        rdtype = chance.choice(list(_CONTENTS))
        owner = chance.choice(_OWNERS if chance.random() < 0.8 else _ODD_OWNERS)
        key = owner + ("|" if chance.random() < 0.95 else chance.choice(("", "||", " |"))) + rdtype
        made.append((key, _hurt(chance, _value(chance, owner, rdtype))))
    return made


def _types(fields: tuple[object, ...]) -> list[type]:
    return [type(fields), *map(type, fields)]


def test_what_is_taken_for_a_plain_event_is_what_the_general_way_makes_of_it() -> None:
    """Of many thousands of events, of which each has something odd now and then."""
    fast, general = plain.event_decoder(RRsetEvent, _KINDS), _general_event()
    taken = 0
    for key, value in _events(20_000):
        found = fast(key.encode(), value.encode(), 60)
        if found is not None:
            taken += 1
            expected = general(key.encode(), value.encode())
            assert found == expected, (key, value)
            assert _types(found) == _types(expected)
    assert taken > 2_000


def _general_event() -> Callable[[bytes, bytes], RRsetEvent]:
    """Decodes in the general way: a tab keeps an event from being plain, and changes nothing."""
    def general(key: bytes, value: bytes) -> RRsetEvent:
        return decode(key, b"\t" + value, default_ttl=60)

    return general


@pytest.mark.parametrize("rdtype", ["A", "AAAA", "CNAME", "PTR", "NS", "SOA", "MX", "SRV", "TXT", "CAA"])
def test_nearly_every_event_is_plain(rdtype: str) -> None:
    """With and without spaces, TTL, and who made it."""
    fast = plain.event_decoder(RRsetEvent, _KINDS)
    content = json.loads(f'"{_CONTENTS[rdtype][0]}"')
    made = {"createdAt": 1, "producer": "deployd"}
    several: tuple[dict[str, object], ...] = ({}, {"ttl": 300}, {"ttl": 300, "metadatas": made})
    for more in several:
        value = json.dumps([{"name": "www.example.", "type": rdtype, "content": content} | more])
        for text in (value, value.replace(" ", "") if " " not in content else value):
            assert fast(f"www.example.|{rdtype}".encode(), text.encode(), 60) is not None


@pytest.mark.parametrize(("key", "value"), [(None, b"[]"), (b"a.|A", None), (b"", b""), (b"|", b"["), (b"a.|A", b"[{")])
def test_what_lacks_something_is_not_plain(key: bytes | None, value: bytes | None) -> None:
    fast = plain.event_decoder(RRsetEvent, _KINDS)
    assert fast(key, value, 60) is None


def test_a_default_ttl_that_no_record_may_have_is_not_plain() -> None:
    fast = plain.event_decoder(RRsetEvent, _KINDS)
    value = b'[{"name":"a.","type":"A","content":"192.0.2.1"}]'
    assert [fast(b"a.|A", value, ttl) is None for ttl in (-1, 0, 2**31 - 1, 2**31)] == [True, False, False, True]


def test_what_is_taken_for_a_plain_line_is_what_the_general_way_makes_of_it() -> None:
    """Of lines with members and spaces as producers write them, and of others."""
    fast = plain.line_decoder(Record, TOPIC)
    chance = random.Random(12)
    taken = 0
    for key, value in _events(20_000):
        comma, space = chance.choice((",", ", ", " , ")), chance.choice(("", " "))
        stamp = chance.choice(("1", "0", "1700000000000", "01", "null", "-1", "9" * 18, "1" * 19))
        end = "}" if chance.random() < 0.9 else chance.choice((" }", "} ", "},", "", ',"x":1}'))
        line = f'{{"key":{space}"{key}"{comma}"value":{space}{value}{comma}"timestamp":{space}{stamp}{end}'
        octets = _hurt(chance, line).encode()
        found = fast(octets, 3, 77)
        if found is not None:
            taken += 1
            # White space at the end keeps a line from being plain, and changes nothing.
            expected = decode_line(octets + b" ", 3, 77)
            assert fast(octets + b" ", 3, 77) is None
            assert found == expected, line
            assert _types(found) == _types(expected)
    assert taken > 2_000
