"""While a batch is applied other threads get the interpreter, also where the writer is compiled."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamdns.events.batch import Batch, Record
from streamdns.runtime.interpreter import let_others
from streamdns.view import journal, transaction, writer
from streamdns.view.alone import PutAlone
from streamdns.view.store import OTHERS_AFTER, Store
from tests.in_python import compiled

alone = compiled("streamdns.view._alone")

_EVENTS = 40 * OTHERS_AFTER


def _batch(owners: list[str], begin: int, rdtype: str, content: str) -> Batch:
    records = [
        Record("zones", 0, begin + number, 0, f"{owner}|{rdtype}".encode(),
               f'[{{"name":"{owner}","type":"{rdtype}","content":"{content}"}}]'.encode())
        for number, owner in enumerate(owners)
    ]
    return Batch(records, {("zones", 0): begin + len(records)}, True)


@pytest.mark.parametrize("put_alone", [None, *([] if alone is None else [alone.put_alone])])
def test_others_have_their_turn_within_a_few_events(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, put_alone: PutAlone | None
) -> None:
    """In each part of a commit that looks at one event after the other, of names that are new and of others."""
    turns: dict[str, int] = {}
    for module in (writer, journal, transaction, *([] if alone is None else [alone])):
        def turn(name: str = module.__name__.replace("_alone", "writer")) -> None:
            turns[name] = turns.get(name, 0) + 1
            let_others()

        monkeypatch.setattr(module, "let_others", turn)
    store = Store(str(tmp_path), max_bytes=1 << 30)
    try:
        made = writer.Writer(store, default_ttl=300, journal_size=_EVENTS, quarantine_size=10)
        made.put_alone = put_alone
        owners = [f"h{number}.example." for number in range(_EVENTS)]
        made.apply(_batch(owners, 0, "A", "192.0.2.1"), {}, 0)
        assert turns["streamdns.view.writer"] >= 2 * _EVENTS // OTHERS_AFTER, "decoding, applying"
        assert turns["streamdns.view.journal"] >= _EVENTS // OTHERS_AFTER
        turns.clear()
        made.apply(_batch(owners, _EVENTS, "AAAA", "2001:db8::1"), {}, 0)
        assert turns["streamdns.view.transaction"] >= _EVENTS // OTHERS_AFTER, "nodes with several types are encoded"
        turns.clear()
        soa = "ns.example. host.example. 1 2 3 4 5"
        made.apply(_batch(["example."], 2 * _EVENTS, "SOA", soa), {}, 0)
        assert turns["streamdns.view.transaction"] >= _EVENTS // OTHERS_AFTER, "a zone that came late claims its names"
    finally:
        store.close()


def test_the_module_that_lets_others_have_a_turn_is_not_compiled() -> None:
    code = getattr(let_others, "__code__", None)
    assert code is not None
    assert code.co_filename.endswith(".py")
