"""Events of the log: key and value as a producer may write them, up to the answer that they lead to.

The first octet chooses the default TTL; the next two are the length of the key (65535: no key); the rest is the value,
of which the first octet 0 means that there is none.
"""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Iterator

import dns.exception
import dns.message

from streamdns.dns import name, rdata
from streamdns.errors import BadEvent
from streamdns.events.event import RRsetEvent, decode, encode
from tests.fuzz.work import lines

INCLUDE = ("streamdns.events", "streamdns.dns")
MOST_OCTETS = 4096
#: Lines of decoding an event: for each octet of it so many, whatever is in it.
LINES, LINES_AN_OCTET = 3000, 60
CONTENTS = {
    "A": "192.0.2.1", "AAAA": "2001:db8::1", "NS": "ns.example.", "CNAME": "www.example.", "MX": "10 mail.example.",
    "TXT": '"a" "b\\"c\\000"', "SRV": "1 2 3 x.example.", "SOA": "ns. host. 1 2 3 4 5", "CAA": '0 issue "ca.example"',
    "DS": "1 8 2 " + "00" * 32, "HTTPS": "1 . alpn=h2 ipv4hint=192.0.2.1", "NAPTR": '1 2 "u" "E2U+sip" "!x!y!" .',
    "DNAME": "x.example.", "TYPE65280": "\\# 3 010203", "LOC": "51 0 0 N 0 0 0 E 0m", "TLSA": "3 1 1 " + "00" * 32,
    "PTR": "host.example.", "SSHFP": "1 1 " + "00" * 20, "SVCB": "0 svc.example.", "NSEC": "a.example. A RRSIG",
}

_ODD = ('"', "\\", " ", ".", "\t", ";", "(", "\x00", "é", "0" * 300, "a." * 40, "\\1", "\\300", "#")
_FIELDS = ("ttl", "priority", "metadatas", "other")
_VALUES = (-1, 0, 2**31, 65536, None, {}, [], "x", 1.5, True)


def packed(key: str | bytes | None, value: str | bytes | None, *, choice: int = 0) -> bytes:
    """An input."""
    raw = key.encode() if isinstance(key, str) else key
    head = struct.pack(">BH", choice, 65535 if raw is None else len(raw)) + (raw or b"")
    return head + (b"\0" if value is None else value.encode() if isinstance(value, str) else value)


def unpacked(data: bytes) -> tuple[int, bytes | None, bytes | None]:
    """The default TTL, the key and the value of an input."""
    choice, length = struct.unpack_from(">BH", data)
    key = None if length == 65535 else data[3 : 3 + length]
    value = data[3:] if key is None else data[3 + length :]
    return (0, 300, 3600, 0x7FFFFFFF)[choice & 3], key, None if value[:1] == b"\0" else value


def seeds(rng: random.Random) -> Iterator[bytes]:
    """Each type, spellings of fields, and what is nearly right."""
    for rdtype, content in CONTENTS.items():
        record = {"name": "www.example.", "type": rdtype, "content": content, "ttl": 60}
        yield packed(f"www.example.|{rdtype}", json.dumps([record]))
        yield packed(f"WWW.example|{rdtype}", json.dumps([record | {"Priority": 5, "metadatas": {"producer": "p"}}]))
        told = record | {"metadatas": {"createdAt": 1, "x": [{}]}}
        yield packed(f"www.example.|{rdtype}", json.dumps([record, told]))
    for value in (None, "null", "[]", "[[]]", "{}", '[{"name":1}]', "[" * 40 + "]" * 40, '"x"', "[1e400]"):
        yield packed("www.example.|A", value)
    yield packed(None, "[]")
    yield packed("\\000\\255\\..example.|TXT",
                 '[{"name":"\\\\000\\\\255\\\\..example.","type":"TXT","content":"\\"\\""}]')
    yield packed("a|b|A", '[{"NAME":"a\\\\|b","type":"a","CONTENT":"1.2.3.4","ttl":null,"priority":null}]')


def mutated(data: bytes, rng: random.Random) -> bytes:
    """Another content, another field, or a value that stands in another place."""
    try:
        choice, _, value = unpacked(data)
        records = json.loads(value or b"[]")
        record = records[0] if records else {"name": "www.example.", "type": "A", "content": "192.0.2.1"}
    except (ValueError, RecursionError, struct.error, IndexError, KeyError, TypeError):
        return data
    if not isinstance(record, dict):
        return data
    content = list(rng.choice(list(CONTENTS.values())))
    for _ in range(rng.randrange(4)):
        at = rng.randrange(len(content) + 1)
        content[at : at + rng.randrange(2)] = rng.choice(_ODD)
    rdtype = rng.choice(list(CONTENTS))
    record = record | {"content": "".join(content), "type": rdtype}
    record |= {rng.choice(_FIELDS): rng.choice(_VALUES)}
    copies = rng.choice((1, 1, 1, 2, 50))
    return packed(f"{record.get('name')}|{rdtype}", json.dumps([record] * copies)[:MOST_OCTETS], choice=choice & 3)


def check(data: bytes, *, whole: bool) -> None:
    """A RRset that holds together and can be sent, or BadEvent; the same each time; and it survives being written."""
    if len(data) < 3:
        return
    ttl, key, value = unpacked(data)
    try:
        event = decode(key, value, default_ttl=ttl)
    except BadEvent as bad:
        assert str(bad)
        assert len(str(bad)) < 1000, "a reason that quotes too much"
        event = None
    if event is not None:
        _in_order(event, deleted=value is None)
    if whole:
        if event is not None:
            _readable(event)
            _written(event, ttl)
            assert decode(key, value, default_ttl=ttl) == event
        lines(lambda: decode(key, value, default_ttl=ttl), most=LINES + LINES_AN_OCTET * len(data))


def _in_order(event: RRsetEvent, *, deleted: bool) -> None:
    assert event.owner == event.owner.lower()
    assert len(event.owner) <= 255
    assert event.lookup_key == name.key(event.owner)
    assert 0 <= event.ttl <= 0x7FFFFFFF
    assert not (deleted and event.rdatas)
    assert len(set(event.rdatas)) == len(event.rdatas)
    assert sum(map(len, event.rdatas)) < 65536
    if event.metadatas:
        found = json.loads(event.metadatas)
        # A number stands for so many records in a row that have none.
        count = sum(each if isinstance(each, int) else 1 for each in found)
        assert isinstance(found, dict) or count == len(event.rdatas)


def _readable(event: RRsetEvent) -> None:
    """dnspython reads every record in a message."""
    reply = b"\0\0\x84\0\0\0" + len(event.rdatas).to_bytes(2, "big") + bytes(4)
    for wire in event.rdatas:
        reply += event.owner + struct.pack(">HHIH", event.rdtype, 1, event.ttl, len(wire)) + wire
    if len(reply) > 65535:
        return
    try:
        message = dns.message.from_wire(reply, one_rr_per_rrset=True)
    except dns.exception.FormError as error:
        # RFC 9460 §2.4.2 has who reads them ignore these parameters; BIND and NSD serve them, too.
        assert "parameters in AliasMode" in str(error), error
        return
    assert len(message.answer) == len(event.rdatas)


def _written(event: RRsetEvent, ttl: int) -> None:
    """What is written of it in text is read as the same again."""
    contents = [{"content": rdata.to_text(event.rdtype, wire), "ttl": event.ttl} for wire in event.rdatas]
    key, value = encode(name.to_text(event.owner), rdata.type_to_text(event.rdtype), contents)
    again = decode(key, value, default_ttl=ttl)
    assert again.canonical
    assert (again.owner, again.rdtype, again.rdatas) == (event.owner, event.rdtype, event.rdatas)
