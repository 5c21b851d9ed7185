"""What systemd passes to a service in its environment."""

from __future__ import annotations

import os

from streamdns.settings import load


def test_what_systemd_passes() -> None:
    assert load({}).notify_socket is None
    assert load({"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": "3000000"}).notify_socket == "@x"
    assert load({}).handed_over == ()
    assert load({"LISTEN_PID": "1", "LISTEN_FDS": "2"}).handed_over == ()
    mine = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "2"}
    assert load(mine | {"LISTEN_FDNAMES": "a b:c"}).handed_over == ((3, "a b"), (4, "c"))
    assert load(mine | {"LISTEN_FDNAMES": "a"}).handed_over == ((3, "a"), (4, ""))
    assert load(mine | {"LISTEN_FDS": "many"}).handed_over == ()
    assert load({"WATCHDOG_USEC": "3000000"}).watchdog_s == 3.0
    assert load({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"}).watchdog_s is None
    assert load({"WATCHDOG_USEC": "soon"}).watchdog_s is None
