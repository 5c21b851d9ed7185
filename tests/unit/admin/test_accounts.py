"""Passwords are looked at one after the other: who waits for that, and who is sent away."""

from __future__ import annotations

from collections.abc import Iterator

import gevent
import pytest
from gevent.event import Event

from streamdns.admin.access.accounts import Accounts
from streamdns.errors import ApiError
from streamdns.settings import load


@pytest.fixture
def accounts(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Accounts, Event]]:
    """Accounts whose native thread looks at no password before the event is set."""
    made, go = Accounts(load({"DNS_ADMIN_PASSWORD": "correct horse"})), Event()

    def run(work: object, *arguments: object) -> bool:
        go.wait()
        return False

    monkeypatch.setattr(made._thread, "run", run)
    yield made, go
    go.set()


def asked(accounts: Accounts, network: str, name: str, *, known: bool = False) -> gevent.Greenlet:
    """One password, looked at in a greenlet of its own."""
    found = gevent.spawn(outcome, accounts, network, name, known)
    gevent.idle()
    return found


def outcome(accounts: Accounts, network: str, name: str, known: bool) -> object:
    """What is said of a password: None for a wrong one, or the status of the error."""
    try:
        return accounts.check(name, "guess work", network=network, known=known)
    except ApiError as error:
        return error.status


def test_one_address_has_its_share_of_the_places(accounts: tuple[Accounts, Event]) -> None:
    checked, go = accounts
    waiting = [asked(checked, "192.0.2.1", f"user{number}") for number in range(4)]
    assert asked(checked, "192.0.2.1", "alice").get(timeout=9) == 503
    waiting.append(asked(checked, "198.51.100.1", "alice"))
    waiting.append(asked(checked, "192.0.2.1", "alice", known=True))
    assert not any(each.ready() for each in waiting)
    go.set()
    assert [each.get(timeout=9) for each in waiting] == [None] * 6
    assert asked(checked, "192.0.2.1", "alice").get(timeout=9) is None


def test_who_is_known_has_a_place_when_strangers_have_all_of_theirs(accounts: tuple[Accounts, Event]) -> None:
    checked, go = accounts
    waiting = [asked(checked, f"192.0.2.{number // 4}", f"user{number}") for number in range(16)]
    assert asked(checked, "203.0.113.7", "alice").get(timeout=9) == 503
    known = asked(checked, "203.0.113.7", "alice", known=True)
    assert asked(checked, "203.0.113.7", "alice", known=True).get(timeout=9) == 503
    assert not known.ready()
    go.set()
    assert [each.get(timeout=9) for each in (*waiting, known)] == [None] * 17
