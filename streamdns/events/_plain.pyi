from collections.abc import Callable, Mapping
from typing import TypeVar

_T = TypeVar("_T")

def event_decoder(
    kind: type[_T], kinds: Mapping[str, tuple[int, Callable[[str], bytes | None]]], /
) -> Callable[[bytes | None, bytes | None, int], _T | None]: ...
def line_decoder(kind: type[_T], topic: str, /) -> Callable[[bytes, int, int], _T | None]: ...
