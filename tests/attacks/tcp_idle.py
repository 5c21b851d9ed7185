"""Connections that say nothing, more than a server has room for."""

import time

from tests.attacks.target import Target, connections

WHAT = "1,500 connections from one address that say nothing"


def run(target: Target) -> None:
    """All from one address."""
    with connections(target, 1500, clients=1):
        target.begin()
        while not target.over():
            time.sleep(0.1)
