"""Replies to uncommon messages: errors, EDNS options, other classes and opcodes than IN queries.

Everything is refused up front, in the order in which a message is read; what remains goes to `Responder.resolve`.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Callable
from typing import Protocol

import dnslib

from streamdns.dns.cookies import Cookies
from streamdns.dns.lookup import Policy
from streamdns.dns.wire import (
    ANY,
    AXFR,
    BADVERS,
    CLASS_ANY,
    CLASS_CH,
    CLASS_IN,
    CLIENT_COOKIE_HEAD,
    COOKIE_HEAD,
    EDE_NOT_AUTHORITATIVE,
    EDE_NOT_SUPPORTED,
    FORMERR,
    HEADER_SIZE,
    IXFR,
    MAILA,
    MAILB,
    MAX_MESSAGE,
    MAX_UDP_PLAIN,
    MOST_ADDITIONAL,
    NO_RECORDS,
    NOTAUTH,
    NOTIFY,
    NOTIMP,
    ONLY_OPT,
    OPT,
    OPT_COOKIE,
    OPT_EDE,
    OPT_HEAD,
    OPT_KEEPALIVE,
    OPT_NSID,
    QR,
    QUERY,
    RD,
    REFUSED,
    SERVFAIL,
    TC,
    TKEY,
    TSIG,
    TXT,
    Edns,
    FormatError,
    opt_record,
    option,
    parse_edns,
    parse_options,
    record_end,
    with_option,
)

# Octets that are kept free beside NSID: the rest of the OPT record, cookie, keepalive and extended error.
_OTHER_OPTIONS = 11 + 4 + 28 + 6 + 6

#: Types that may be asked for and are never stored; ANY is not one of them.
NO_DATA_TYPES = frozenset((OPT, TKEY, TSIG, IXFR, AXFR, MAILB, MAILA))

_COUNTS = struct.Struct(">HHHH").unpack_from
_INSTANCE_NAMES = (b"\x02id\x06server\0", b"\x08hostname\x04bind\0")
_VERSION_NAMES = (b"\x07version\x06server\0", b"\x07version\x04bind\0")


class Responder(Protocol):
    """The part of an Answerer (answer.py) that these replies need: its policy, its OPT records, its counters."""

    policy: Policy
    cookies: Cookies | None
    client: Callable[[int], bytes]
    opt_plain: bytes
    opt_do: bytes
    tally: defaultdict[int, int]

    def resolve(self, packet: bytes, end: int, limit: int, opt: bytes, *, any_class: bool = False) -> bytes | None:
        """The reply to a well-formed query of class IN."""
        ...


def reply(answerer: Responder, packet: bytes, tcp: bool, slot: int) -> bytes | None:
    """The reply to any message, or None where none may be sent: too short for a header, or itself a reply."""
    if len(packet) < HEADER_SIZE or packet[2] & QR:
        return None
    opcode = packet[2] >> 3 & 15
    if opcode not in (QUERY, NOTIFY):
        return header_only(answerer, packet, NOTIMP, opt_of_refusal(answerer, packet))
    if packet[4:6] != b"\0\1":
        return header_only(answerer, packet, FORMERR)
    edns: Edns | None = None
    try:
        end = question_end(packet)
        if opcode == NOTIFY:
            # There are no secondaries: no notification is expected from anybody (RFC 1996 §3.11).
            return with_question(answerer, packet, end, NOTAUTH, opt_of_refusal(answerer, packet))
        if packet[6:10] != b"\0\0\0\0":
            return header_only(answerer, packet, FORMERR)
        edns = parse_edns(packet, end, packet[10] << 8 | packet[11])
        limit = reply_limit(answerer, edns, tcp, slot)
        opt = b"" if edns is None else answer_edns(answerer, edns, tcp, slot, room=limit - end)
    except FormatError:
        # Without an OPT record the client would take it that there is no EDNS here (RFC 6891 §7).
        return header_only(answerer, packet, FORMERR, plain_opt(answerer, edns))
    if edns is not None and edns.version > 0:
        opt = opt_record(answerer.policy.edns_size, edns.do, b"", BADVERS)
        return with_question(answerer, packet, end, BADVERS, opt)
    return by_class_and_type(answerer, packet, end, limit, opt)


def options(answerer: Responder, packet: bytes, end: int, tcp: bool, slot: int) -> tuple[int, bytes] | bytes | None:
    """How long the reply may be, and its OPT record, for a query that has one, with options, behind its question.

    Where the options are malformed, the reply that says so; None where something else is there, or another version.
    """
    start = end + 11
    if packet[end : end + 3] != OPT_HEAD or len(packet) < start or packet[end + 6]:
        return None
    size = len(packet)
    if size - start != packet[end + 9] << 8 | packet[end + 10]:
        return None
    edns: Edns | None = None
    try:
        found = parse_options(packet, start, size)
        edns = Edns(packet[end + 3] << 8 | packet[end + 4], 0, bool(packet[end + 7] & 0x80), found)
        limit = reply_limit(answerer, edns, tcp, slot)
        return limit, answer_edns(answerer, edns, tcp, slot, room=limit - end) if found else plain_opt(answerer, edns)
    except FormatError:
        return header_only(answerer, packet, FORMERR, plain_opt(answerer, edns))


def opt_of_refusal(answerer: Responder, packet: bytes) -> bytes:
    """The OPT record for the reply to a message that is refused whatever it says (RFC 6891 §6.1.1).

    b"" where the message has none, or none that can be found in the sections of a query.
    """
    questions, answers, authorities, additional = _COUNTS(packet, 4)
    if questions > 1 or answers + authorities > MOST_ADDITIONAL:
        return b""
    try:
        at = question_end(packet) if questions else HEADER_SIZE
        for _ in range(answers + authorities):
            at = record_end(packet, at)
        return plain_opt(answerer, parse_edns(packet, at, additional))
    except FormatError:
        return b""


def plain_opt(answerer: Responder, edns: Edns | None) -> bytes:
    """The OPT record without options for a reply to somebody who sent one; b"" for others."""
    return b"" if edns is None else answerer.opt_do if edns.do else answerer.opt_plain


def by_class_and_type(answerer: Responder, packet: bytes, end: int, limit: int, opt: bytes) -> bytes | None:
    """The reply to a well-formed query."""
    qtype = packet[end - 4] << 8 | packet[end - 3]
    qclass = packet[end - 2] << 8 | packet[end - 1]
    if qclass == CLASS_CH:
        return chaos(answerer, packet, end, qtype, opt)
    if qclass not in (CLASS_IN, CLASS_ANY):
        return with_question(answerer, packet, end, REFUSED, opt)
    return answerer.resolve(packet, end, limit, opt, any_class=qclass == CLASS_ANY)


def no_data_type(answerer: Responder, packet: bytes, end: int, qtype: int, opt: bytes) -> bytes:
    """The reply to a query for one of NO_DATA_TYPES: there are no zone transfers, the rest has no meaning today."""
    if qtype in (AXFR, IXFR):
        return with_question(answerer, packet, end, REFUSED, opt, EDE_NOT_SUPPORTED)
    return with_question(answerer, packet, end, NOTIMP if qtype in (MAILA, MAILB) else FORMERR, opt)


def reply_limit(answerer: Responder, edns: Edns | None, tcp: bool, slot: int) -> int:
    """How long the reply may be (RFC 6891 §6.2.3); less, if the policy wants it, where the sender may be forged."""
    if tcp:
        return MAX_MESSAGE
    if edns is None:
        return MAX_UDP_PLAIN
    policy = answerer.policy
    most = policy.edns_size
    if policy.no_cookie_size < most and not has_good_cookie(answerer, edns, slot):
        most = policy.no_cookie_size
    return max(MAX_UDP_PLAIN, min(edns.size, most))


def has_good_cookie(answerer: Responder, edns: Edns, slot: int) -> bool:
    """Whether the first COOKIE option has a server cookie that was made here for this client."""
    data = edns.options.get(OPT_COOKIE, b"")
    return answerer.cookies is not None and answerer.cookies.is_good(data, answerer.client(slot))


def question_end(packet: bytes) -> int:
    """The offset behind the question; its name may not be compressed. Raises FormatError."""
    at = HEADER_SIZE
    size = len(packet)
    while at < size and packet[at]:
        if packet[at] > 63:
            raise FormatError
        at += packet[at] + 1
    if at + 5 > size or at - HEADER_SIZE > 254:
        raise FormatError
    return at + 5


def answer_edns(answerer: Responder, edns: Edns, tcp: bool, slot: int, *, room: int) -> bytes:
    """The OPT record of the reply with the options that were asked for; raises FormatError.

    A long NSID is left out where `room`, the octets that the reply may have behind the question, is scarce.
    """
    policy = answerer.policy
    options: dict[int, bytes] = {}
    for code, data in edns.options.items():
        if code == OPT_NSID and 0 < len(policy.instance_id) < room - _OTHER_OPTIONS:
            options[code] = policy.instance_id
        elif code == OPT_COOKIE and answerer.cookies is not None:
            cookie = answerer.cookies.answer(data, answerer.client(slot))
            if cookie is None:
                raise FormatError
            options[code] = cookie
        elif code == OPT_KEEPALIVE and tcp:
            options[code] = min(policy.keepalive_s * 10, 65535).to_bytes(2, "big")
    if not options:
        return plain_opt(answerer, edns)
    return opt_record(policy.edns_size, edns.do, b"".join([option(code, data) for code, data in options.items()]))


def cut_short(answerer: Responder, packet: bytes, reply: bytes, slot: int | None) -> bytes:
    """What is sent in place of a reply that is held back: the question with TC, so that a client asks over TCP.

    A cookie is answered where there is a `slot` (a reply that comes later has none). The query was answered, so it is
    well-formed.
    """
    end = question_end(packet)
    edns = parse_edns(packet, end, packet[10] << 8 | packet[11])
    if edns is None:
        opt = b""
    elif slot is None:
        opt = plain_opt(answerer, edns)
    else:
        opt = answer_edns(answerer, edns, False, slot, room=MAX_UDP_PLAIN - end)
    counts = ONLY_OPT if opt else NO_RECORDS
    return packet[:2] + bytes((QR | TC | packet[2] & RD, reply[3] & 0xF0)) + counts + packet[HEADER_SIZE:end] + opt


def cookie_of(packet: bytes) -> bytes:
    """The COOKIE option of a query that was answered; b"" where it has none."""
    if packet[4:12] == NO_RECORDS or (packet[-11:-8] == OPT_HEAD and packet[-2:] == b"\0\0"):
        return b""
    for size, head in ((8, CLIENT_COOKIE_HEAD), (24, COOKIE_HEAD)):
        # Whoever hides such octets in another option has a cookie all the same.
        if packet[-size - 6 : -size] == head and packet[-size - 15 : -size - 12] == OPT_HEAD:
            return packet[-size:]
    try:
        edns = parse_edns(packet, question_end(packet), packet[10] << 8 | packet[11])
    except FormatError:
        return b""
    return edns.options.get(OPT_COOKIE, b"") if edns is not None else b""


def header_only(answerer: Responder, packet: bytes, rcode: int, opt: bytes = b"") -> bytes:
    """An error without a question: the message could not be read, or is of no kind that is served."""
    count(answerer, 0, rcode)
    head = packet[:2] + bytes((QR | packet[2] & (0x78 | RD), rcode))
    return head + b"\0\0\0\0\0\0\0" + (b"\1" + opt if opt else b"\0")


def servfail(answerer: Responder, packet: bytes) -> bytes | None:
    """What goes back when answering failed: SERVFAIL without sections, or nothing to what is no query."""
    if len(packet) < HEADER_SIZE or packet[2] & QR:
        return None
    return header_only(answerer, packet, SERVFAIL)


def with_question(
    answerer: Responder, packet: bytes, end: int, rcode: int, opt: bytes, ede: int | None = None
) -> bytes:
    """An error that repeats the question, with an extended error where the client speaks EDNS."""
    count(answerer, packet[end - 4] << 8 | packet[end - 3], rcode)
    if opt and ede is not None:
        opt = with_option(opt, OPT_EDE, ede.to_bytes(2, "big"))
    head = packet[:2] + bytes((QR | packet[2] & (0x78 | RD), rcode & 15))
    return b"".join((head, ONLY_OPT if opt else NO_RECORDS, packet[HEADER_SIZE:end], opt))


def count(answerer: Responder, qtype: int, rcode: int) -> None:
    """Count one reply."""
    kind = qtype << 8 | rcode
    answerer.tally[kind] += 1


def chaos(answerer: Responder, packet: bytes, end: int, qtype: int, opt: bytes) -> bytes:
    """Class CH: which server this is (RFC 4892); everything else there is refused."""
    policy = answerer.policy
    name = packet[HEADER_SIZE : end - 4].lower()
    text = policy.instance_id if name in _INSTANCE_NAMES else policy.version if name in _VERSION_NAMES else None
    if not text or qtype not in (TXT, ANY):
        return with_question(answerer, packet, end, REFUSED, opt, EDE_NOT_AUTHORITATIVE)
    count(answerer, qtype, 0)
    query = dnslib.DNSRecord.parse(packet[:4] + b"\0\1\0\0\0\0\0\0" + packet[HEADER_SIZE:end])
    header = dnslib.DNSHeader(id=query.header.id, qr=1, aa=1, rd=query.header.rd)
    record = dnslib.RR(query.q.qname, dnslib.QTYPE.TXT, dnslib.CLASS.CH, ttl=0, rdata=dnslib.TXT([text[:255]]))
    packed = bytes(dnslib.DNSRecord(header, q=query.q, a=record).pack())
    return packed[:11] + (b"\1" if opt else b"\0") + packed[12:] + opt
