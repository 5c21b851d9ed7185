"""Searches over everything there is, several at a time."""

from tests.attacks.requests import ask
from tests.attacks.target import Target

WHAT = "8 searches over the whole view at a time, in both versions of the API"


def run(target: Target) -> None:
    """What finds nothing in long records, what finds everything, and globs with many stars."""
    ask(target, ["/search?pattern=", "/v1/search?name=&content=zzz", "/v1/search?name=long&content=zzz",
                 "/search?pattern=long", "/v1/search?name=" + "*a" * 60, "/search?pattern=example",
                 "/v1/search?name=fat&content=ff", "/v1/search?name=o&limit=1000"], at_once=8)
