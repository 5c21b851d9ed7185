"""EDNS options and cookies: the reply has no option that was not asked for, and no cookie that anybody else made.

The first octet chooses the transport, the rest are the options of a query that is in order otherwise.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import dns.edns
import dns.message
import dns.rcode
from siphashc import siphash

from streamdns.dns.answer import Answerer
from streamdns.dns.cookies import Cookies
from streamdns.dns.lookup import Policy
from streamdns.dns.wire import MOST_OPTIONS
from tests.fuzz.work import lines
from tests.unit.dns.answering import Memory

INCLUDE = ("streamdns.dns",)
MOST_OCTETS = 2048
LINES, LINES_AN_OCTET = 1000, 8
ADDRESS = b"\xc0\0\2\1"
NOW_S = 1_700_000_000.0
QUESTION = b"\3www\7example\0\0\1\0\1"
#: NSID, COOKIE, keepalive, and the errors that we may have to tell.
KNOWN = (3, 10, 11, 15)
_view = Memory("example. 300 SOA ns. host. 1 2 3 4 5\nwww.example. 300 A 192.0.2.1\n")
_SECRET = bytes(range(16))
_cookies = Cookies(_SECRET, lambda: NOW_S)
_others = Cookies(bytes(range(1, 17)), lambda: NOW_S)
_answerer = Answerer(Policy(instance_id=b"an instance", version=b"v"), cookies=_cookies)
_answerer.client = lambda slot: ADDRESS
_answerer.bind(_view)


def option(code: int, data: bytes) -> bytes:
    """One option in wire form."""
    return code.to_bytes(2, "big") + len(data).to_bytes(2, "big") + data


def seeds(rng: random.Random) -> Iterator[bytes]:
    """Each known option alone, cookies of ours and of others, and many options."""
    ours = _cookies.answer(b"clientck", ADDRESS) or b""
    foreign = _others.answer(b"clientck", ADDRESS) or b""
    elsewhere = _cookies.answer(b"clientck", b"\xc0\0\2\2") or b""
    for data in (b"clientck", ours, foreign, elsewhere, ours[:16], ours + b"x" * 16, ours[:23] + b"\0"):
        for tcp in (b"\0", b"\1"):
            yield tcp + option(10, data)
            yield tcp + option(3, b"") + option(10, data) + option(11, b"") + option(15, b"\0\0")
    for count in (2, MOST_OPTIONS, MOST_OPTIONS + 1, 1000):
        yield b"\0" + option(65001, b"") * count
        yield b"\0" + option(10, b"clientck") * count
    yield b"\0" + option(8, b"\0\1\x18\0\xc0\0\2") + option(12, bytes(300))


def mutated(data: bytes, rng: random.Random) -> bytes:
    """Options changed as options: another length, another code, one more."""
    made = data or b"\0"
    kind = rng.randrange(3)
    code = rng.choice((3, 10, 10, 11, 15, 8, rng.randrange(65536)))
    more = option(code, rng.randbytes(rng.choice((0, 8, 16, 24, 41))))
    if kind == 0:
        return made + more
    if kind == 1:
        return made[:1] + more + made[1:]
    cookie = bytearray(_cookies.answer(rng.randbytes(8), ADDRESS) or b"")
    cookie[rng.randrange(8, 24)] ^= 1 << rng.randrange(8)
    return made[:1] + option(10, bytes(cookie))


def check(data: bytes, *, whole: bool) -> None:
    """Either FORMERR, or one of each option asked for; a cookie comes back unchanged only if we made it for him."""
    tcp, options = bool(data[:1] and data[0] & 1), data[1:65000]
    packet = (b"id\0\0\0\1\0\0\0\0\0\1" + QUESTION + b"\0\0\x29\x04\xd0\0\0\0\0" + len(options).to_bytes(2, "big")
              + options)
    _answerer.tally.clear()
    reply = _answerer.reply(packet, tcp, 0)
    assert reply is not None
    asked = _parsed(options)
    assert (reply[3] & 15 == dns.rcode.FORMERR) == (asked is None), "which options are a format error"
    message = dns.message.from_wire(reply)
    if asked is None:
        assert (len(reply), message.options) in ((12, ()), (23, ()))
        return
    assert [rdata.to_text() for rrset in message.answer for rdata in rrset] == ["192.0.2.1"]
    got = [(int(each.otype), each.to_wire() or b"") for each in message.options]
    assert len({code for code, _ in got}) == len(got), "an option twice"
    for code, back in got:
        assert code in KNOWN, f"option {code} in a reply"
        assert code in asked, f"option {code}, which nobody asked for"
        if code == dns.edns.COOKIE:
            _cookie(asked[code], back)
    if whole:
        assert _answerer.reply(packet, tcp, 0) == reply
        lines(lambda: _answerer.reply(packet, tcp, 0), most=LINES + LINES_AN_OCTET * len(packet))


def _cookie(sent: bytes, back: bytes) -> None:
    """RFC 9018: our cookie for this client and this address, and never one that somebody else put together.

    The fuzzer sees what is compared, so it may learn a hash: then other reserved octets, which the hash is of, are good
    and come back, as they have to (§4.2).
    """
    assert back[:8] == sent[:8], "another client's cookie"
    assert len(back) == 24
    made = int.from_bytes(back[12:16], "big")
    assert NOW_S - 1800 <= made <= NOW_S + 300, "a cookie of another time"
    assert back[8] == 1
    assert back == sent or back[9:12] == bytes(3), "reserved octets that nobody sent"
    assert back[16:] == siphash(_SECRET, back[:16] + ADDRESS).to_bytes(8, "little"), "a cookie that we did not make"


def _parsed(options: bytes) -> dict[int, bytes] | None:
    """The first of each option by the letter of RFC 6891, None where they are a format error."""
    found: dict[int, bytes] = {}
    at = count = 0
    while at < len(options):
        length = int.from_bytes(options[at + 2 : at + 4], "big")
        if at + 4 + length > len(options) or at + 4 > len(options):
            return None
        found.setdefault(int.from_bytes(options[at : at + 2], "big"), options[at + 4 : at + 4 + length])
        at += 4 + length
        count += 1
    cookie = found.get(10)
    if count > MOST_OPTIONS or (cookie is not None and len(cookie) != 8 and not 16 <= len(cookie) <= 40):
        return None
    return found
