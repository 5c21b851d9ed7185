"""Answers /search in the form of the first version: a list of records with the fields of their events."""

from __future__ import annotations

from collections.abc import Iterator

from streamdns.admin.routes import documents
from streamdns.admin.schema.data import FirstMetadatas, FirstRecord
from streamdns.dns import name, rdata
from streamdns.dns.node import ttl_of
from streamdns.view.reader import Entry

_WITH_PRIORITY = (rdata.type_from_text("MX"), rdata.type_from_text("SRV"))


def order(entry: Entry) -> bytes:
    """Return the sorting key of the first version: the name as it is written, then the type."""
    return f"{name.to_text(entry.owner)}|{rdata.type_to_text(entry.rrset.rdtype)}".encode()


def records(entry: Entry) -> Iterator[FirstRecord]:
    """Yield the records of an RRset in the old form, each with its own metadatas."""
    found = entry.rrset
    contents = documents.records(found.rdtype, found.records)
    metadatas = documents.decoded(found.origin.metadatas)
    each = metadatas if isinstance(metadatas, list) else [metadatas] * len(contents)
    owner, rdtype, ttl = name.to_text(entry.owner), rdata.type_to_text(found.rdtype), ttl_of(found.records)
    for content, about in zip(contents, each, strict=False):
        priority = "0"
        if found.rdtype in _WITH_PRIORITY:
            priority, _, content = content.partition(" ")
        yield FirstRecord(name=owner, type=rdtype, content=content, ttl=ttl, priority=int(priority),
                          metadatas=_metadatas(about))


def _metadatas(about: object) -> FirstMetadatas:
    known = about if isinstance(about, dict) else {}
    created, producer = known.get("createdAt"), known.get("producer")
    return FirstMetadatas(
        created_at=created if isinstance(created, int) else 0, producer=producer if isinstance(producer, str) else "",
    )

