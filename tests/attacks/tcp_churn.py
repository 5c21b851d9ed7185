"""Connections that are opened and closed at once, some in the middle of a query."""

from tests.attacks.target import Target, connect
from tests.attacks.zone import framed, query

WHAT = "connections opened and closed at once, every other in the middle of a query"


def run(target: Target) -> None:
    """From 200 addresses."""
    message = framed(query("www.example.org"))
    target.begin()
    while not target.over():
        number = target.counted["connections"] + target.counted["refused"]
        sock = connect(target, f"127.1.{number % 200}.1")
        if sock is not None:
            if number % 2:
                sock.send(message[: number % len(message)])
            sock.close()
