"""Regular expressions take a time that grows with their text, not with its square: a header may have 8 KiB."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from tests.meta.source import modules, tree

# They have no names without the underscore since Python 3.11.
OPS = re._constants  # type: ignore[attr-defined]
#: A repeat of more than so many is taken for one without an end.
MANY = 1000
#: Any character beyond these is alike here.
CHARACTERS = frozenset(range(257))
FUNCTIONS = ("compile", "findall", "finditer", "fullmatch", "match", "search", "split", "sub")


def problems(pattern: str | bytes) -> list[str]:
    """Why a pattern may look at its text again and again: two repeats that can divide the same characters."""
    found: list[str] = []
    _walk(re._parser.parse(pattern), frozenset(), found)  # type: ignore[attr-defined]
    return found


def _walk(items: Iterable[tuple[Any, Any]], open_ended: frozenset[int], found: list[str]) -> frozenset[int]:
    """Look at a sequence behind repeats of `open_ended` characters; the same for what stands behind the sequence."""
    for op, argument in items:
        if op in (OPS.MAX_REPEAT, OPS.MIN_REPEAT, OPS.POSSESSIVE_REPEAT):
            least, most, body = argument
            behind = _walk(body, open_ended, found)
            if most > MANY:
                first = _first(body)
                if first & open_ended:
                    found.append("two repeats that match the same stand beside each other")
                if behind & first:
                    found.append("a repeat stands at the end of what is repeated")
                behind |= _first(body) if _is_one(body) else frozenset()
            if op is OPS.POSSESSIVE_REPEAT:
                behind = frozenset()
            open_ended = behind | (open_ended if least == 0 else frozenset())
        elif op is OPS.SUBPATTERN:
            open_ended = _walk(argument[3], open_ended, found)
        elif op is OPS.ATOMIC_GROUP:
            _walk(argument, open_ended, found)
            open_ended = frozenset()
        elif op is OPS.BRANCH:
            open_ended = frozenset().union(*[_walk(branch, open_ended, found) for branch in argument[1]])
        elif op not in (OPS.AT, OPS.ASSERT, OPS.ASSERT_NOT):
            open_ended = frozenset()
    return open_ended


def _is_one(body: Any) -> bool:
    return len(body) == 1 and body[0][0] in (OPS.LITERAL, OPS.NOT_LITERAL, OPS.ANY, OPS.IN)


def _first(items: Iterable[tuple[Any, Any]]) -> frozenset[int]:
    """The characters that a sequence may begin with."""
    found: frozenset[int] = frozenset()
    for op, argument in items:
        if op in (OPS.MAX_REPEAT, OPS.MIN_REPEAT, OPS.POSSESSIVE_REPEAT):
            found |= _first(argument[2])
            if argument[0] == 0:
                continue
        elif op is OPS.SUBPATTERN:
            found |= _first(argument[3])
        elif op is OPS.ATOMIC_GROUP:
            found |= _first(argument)
        elif op is OPS.BRANCH:
            found = found.union(*map(_first, argument[1]))
        elif op in (OPS.AT, OPS.ASSERT, OPS.ASSERT_NOT):
            continue
        else:
            found |= _one(op, argument)
        return found
    return found


def _one(op: Any, argument: Any) -> frozenset[int]:
    """The characters that one item matches, as numbers; those beyond Latin-1 are all 256."""
    if op is OPS.LITERAL:
        return frozenset({min(argument, 256)})
    if op is OPS.NOT_LITERAL:
        return CHARACTERS - {argument}
    if op is OPS.ANY:
        return CHARACTERS
    assert op is OPS.IN, op
    found: frozenset[int] = frozenset()
    for kind, value in argument:
        if kind is OPS.RANGE:
            found |= frozenset(range(min(value[0], 256), min(value[1], 256) + 1))
        elif kind is OPS.CATEGORY:
            found |= CHARACTERS  # At the most.
        elif kind is not OPS.NEGATE:
            found |= _one(kind, value)
    return CHARACTERS - found if argument[0][0] is OPS.NEGATE else found


def patterns() -> Iterator[tuple[str, str | bytes]]:
    """Every pattern that is written down in the package, with where."""
    for name, path in modules("streamdns").items():
        for node in ast.walk(tree(path)):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or not node.args:
                continue
            of, pattern = node.func.value, node.args[0]
            if isinstance(of, ast.Name) and of.id == "re" and node.func.attr in FUNCTIONS \
                    and isinstance(pattern, ast.Constant):
                yield f"{name}:{node.lineno}", pattern.value


@pytest.mark.parametrize("pattern", [
    r"[ \t]*(?:x.*y)?[ \t]*\n", r"a*a*b", r"(?:a+)+b", r"(?:x|a+)(?:a*)b", r"\s*[^b]+b", r"a*a*+b", r"(a*)*b",
    r"a+?a+b",
])
def test_what_goes_over_its_text_again_is_found(pattern: str) -> None:
    assert problems(pattern)


@pytest.mark.parametrize("pattern", [
    r"a*b", r"a*+a?b", r"[ \t]*x[ \t]*y", r"(?:a+,)+b", r"[a-y]*z[a-y]*", r"(?:\\.|[^ \\])+", r"a{1,9}a{1,9}b",
    r"(?>a*)a*b",
])
def test_what_does_not_is_not(pattern: str) -> None:
    assert not problems(pattern)


def test_no_pattern_goes_over_its_text_again() -> None:
    found = list(patterns())
    assert len(found) > 30
    assert not [f"{where}: {problem}" for where, pattern in found for problem in problems(pattern)]
