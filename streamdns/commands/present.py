"""What `streamdns publish` says of the present state before it appends: a TTL that stays, a name that is in no zone."""

from __future__ import annotations

import argparse
import re
from typing import Final

from streamdns.commands.log_reader import LogState, standing_at
from streamdns.commands.output import note, printable
from streamdns.dns import name, rdata
from streamdns.dns.master import is_within
from streamdns.dns.node import SOA
from streamdns.errors import StreamDNSError
from streamdns.settings import Settings

_TXT_TYPES = frozenset((16, 99))
#: HINFO, TXT, NAPTR, SPF, URI and CAA, which people write text in.
_TEXT_TYPES: Final = frozenset((13, 16, 35, 99, 256, 257))
_TYPOGRAPHIC: Final = re.compile(rb"\xe2\x80[\x9c-\x9f]")  # U+201C to U+201F
TYPOGRAPHIC_QUOTES: Final = 'has typographic quotes, which are served as they are: only " quotes'


def has_typographic_quotes(rdtype: int, octets: bytes) -> bool:
    """Tell whether a record's text, or its RDATA, holds double quotes of a word processor, in UTF-8."""
    return rdtype in _TEXT_TYPES and _TYPOGRAPHIC.search(octets) is not None


def published_ttl(args: argparse.Namespace, settings: Settings) -> int | None:
    """The TTL that the event shall have: that of --ttl, else the one that the RRset has now, else none.

    Notes tell what is kept, and what nobody will be answered. Raises ValueError for an owner or type that is none.
    """
    owner = name.from_text(args.words[0]).lower()
    rdtype = rdata.type_from_text(args.words[1])
    _tell_backslashes(rdtype, args.words[2:])
    if any(has_typographic_quotes(rdtype, content.encode(errors="surrogateescape")) for content in args.words[2:]):
        note(f"note: {name.to_text(owner)} {args.words[1]} {TYPOGRAPHIC_QUOTES}")
    state = _state(settings, owner)
    if state is None:
        return _given(args)
    if rdtype != SOA and not _in_a_zone(owner, state, settings):
        note(f"note: {name.to_text(owner)} is in no zone of the log, so it is not answered: is the name right?")
    present = state.rrsets.get((owner, rdtype))
    if args.ttl is not None or args.delete or present is None:
        return _given(args)
    what = f"{printable(name.to_text(owner))} {rdata.type_to_text(rdtype)}"
    note(f"note: {what} keeps its TTL of {present.ttl} seconds; --ttl sets another one")
    return present.ttl


def _given(args: argparse.Namespace) -> int | None:
    return None if args.ttl is None else int(args.ttl)


def _state(settings: Settings, owner: bytes) -> LogState | None:
    """What stands at a name; None where nobody can say, which is no reason not to publish."""
    try:
        return standing_at(settings, owner)
    except StreamDNSError:
        return None


def _in_a_zone(owner: bytes, state: LogState, settings: Settings) -> bool:
    listed = [name.from_text(zone).lower() for zone in settings.zones]
    return state.above is not None or (owner, SOA) in state.rrsets or any(is_within(owner, zone) for zone in listed)


def _tell_backslashes(rdtype: int, contents: list[str]) -> None:
    if rdtype in _TXT_TYPES and any("\\" in content and '"' not in content for content in contents):
        note("note: text without quotes is served as it stands, with its backslashes")
