"""Questions below delegations to servers that never answer: each holds a place of the resolver until it is over."""

from tests.attacks.resolving import ask
from tests.attacks.target import Target

WHAT = "1,500 questions a second from 12 addresses for names below silent servers"


def run(target: Target) -> None:
    """From 12 addresses of different networks."""
    ask(target, "w.{}.silent.evil.example", rate=1500, sources=12)
