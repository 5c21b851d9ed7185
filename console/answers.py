"""The answer that a node gives now: asked over DNS from here, and compared with what the view says."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from streamdns.admin.schema.data import RRset

from .model import Node

_TIMEOUT_S: Final = 2.0
_EVERYWHERE: Final = ("0.0.0.0", "::", "*", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer, or why there is none; records are in presentation form."""

    server: str
    problem: str = ""
    rcode: str = ""
    flags: tuple[str, ...] = ()
    records: tuple[str, ...] = ()
    ttl: int | None = None
    took_ms: float = 0.0


def resolver_of(node: Node) -> tuple[str, int] | None:
    """Address and port where a node answers DNS, seen from here; None where that is not known."""
    if node.status is None:
        return None
    host = "127.0.0.1" if node.url.startswith("unix:") else urlsplit(node.url).hostname or "127.0.0.1"
    here = host in ("127.0.0.1", "::1", "localhost")
    for text in node.status.value.dns_addresses:
        address, _, port = text.rpartition(":")
        address = address.strip("[]")
        if not port.isdigit():
            continue
        if address in _EVERYWHERE:
            return host, int(port)
        # A loopback address of another machine is no use here.
        if here or not (address.startswith("127.") or address == "::1"):
            return address, int(port)
    return None


async def ask_dns(where: tuple[str, int], name: str, rdtype: str) -> Answer:
    """Ask once over UDP, and over TCP where the answer does not fit."""
    import dns.asyncbackend
    import dns.asyncquery
    import dns.exception
    import dns.flags
    import dns.message
    import dns.rcode
    import dns.rdatatype

    host, port = where
    server = f"{host}:{port}" if ":" not in host else f"[{host}]:{port}"
    dns.asyncbackend.get_default_backend()
    begun_s = time.monotonic()
    try:
        query = dns.message.make_query(name, rdtype, use_edns=0)
        reply, _ = await dns.asyncquery.udp_with_fallback(query, host, timeout=_TIMEOUT_S, port=port)
    except dns.exception.Timeout:
        return Answer(server=server, problem=f"no answer from {server} within two seconds")
    except (dns.exception.DNSException, OSError, ValueError) as error:
        return Answer(server=server, problem=f"{server} cannot be asked: {error}".rstrip(": "))
    return Answer(
        server=server,
        rcode=dns.rcode.to_text(reply.rcode()),
        flags=tuple(dns.flags.to_text(reply.flags).lower().split()),
        records=tuple(
            f"{rrset.name} {rrset.ttl} {dns.rdatatype.to_text(rrset.rdtype)} {rdata}"
            for rrset in reply.answer
            for rdata in rrset
        ),
        took_ms=(time.monotonic() - begun_s) * 1000,
    )


def differences(row: RRset | None, answer: Answer) -> tuple[list[str], list[str]]:
    """Records of the view that were not answered, and answered ones that are not the view's."""
    if row is None or answer.problem:
        return [], []
    expected = {_normal(record): record for record in row.records} if not row.shadowed else {}
    answered = {}
    for line in answer.records:
        owner, _, rdtype, rdata = line.split(" ", 3)
        if rdtype == row.type and owner.casefold() == row.name.casefold():
            answered[_normal(rdata)] = line
    missing = [record for key, record in expected.items() if key not in answered]
    return missing, [line for key, line in answered.items() if key not in expected and not row.shadowed]


def _normal(rdata: str) -> str:
    return " ".join(rdata.casefold().replace('"', "").split())
