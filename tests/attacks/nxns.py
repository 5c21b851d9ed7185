"""NXNSAttack over two levels: delegations to many names of servers, each leading to many names at the victim's."""

from tests.attacks.resolving import ask
from tests.attacks.target import Target

WHAT = "10 questions a second for names delegated to 20 names, each delegated to 20 of a victim's (NXNSAttack)"


def run(target: Target) -> None:
    """From one address."""
    ask(target, "x.{}.nxns.evil.example", rate=10, sources=1)
