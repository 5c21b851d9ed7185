"""The questions of the conformance set, put to the engine itself: no server runs, so that mutants can be asked."""

from __future__ import annotations

import gzip
import importlib.util
import json
from collections.abc import Iterator
from types import ModuleType

import pytest

from streamdns.dns import name, rdata
from streamdns.errors import BadEvent
from streamdns.events.event import decode
from tests.harness import conformance
from tests.harness.conformance import CONFORMANCE
from tests.unit.dns.answering import Memory, answerer


def _lib() -> ModuleType:
    """The set's own code: how a question is written, and what of a reply is compared."""
    spec = importlib.util.spec_from_file_location("conformance_lib", CONFORMANCE / "lib.py")
    assert spec is not None
    assert spec.loader is not None
    lib = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(lib)
    return lib


def _lines() -> Iterator[str]:
    for key, value in conformance.events():
        try:
            event = decode(key.encode(), json.dumps(value).encode(), default_ttl=3600)
        except BadEvent:
            continue
        for wire in event.rdatas:
            content = rdata.to_text(event.rdtype, wire)
            yield f"{name.to_text(event.owner)} {event.ttl} {rdata.type_to_text(event.rdtype)} {content}\n"


@pytest.mark.conformance
def test_every_answer() -> None:
    """In order of the set; a reply that is cut off is asked for again as over TCP."""
    lib = _lib()
    engine = answerer(Memory("".join(_lines())))
    differing = []
    with gzip.open(CONFORMANCE / "expected.jsonl.gz", "rt", encoding="utf-8") as file:
        for expected in map(json.loads, file):
            question = lib.Q(expected["query"])
            packet = question.message().to_wire()
            reply = engine.reply(packet, "+tcp" in question.flags, 0)
            if reply is not None and reply[2] & 2:
                reply = engine.reply(packet, True, 0)
            assert reply is not None, expected
            got = lib.norm(reply)
            same = (got.get("rcode"), got.get("aa")) == (expected["rcode"], expected["aa"])
            for section in ("answer", "authority"):
                same = same and (section not in expected or sorted(map(list, got[section])) == expected[section])
            if not same:
                differing.append((expected, got))
    assert differing == []
