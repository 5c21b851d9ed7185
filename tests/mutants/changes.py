"""Small changes of the pure modules, made by mutmut: each is another body for one function of a module."""

from __future__ import annotations

import difflib
import importlib.abc
import importlib.util
import sys
import types
from collections import Counter
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from typing import Any, Final, NamedTuple

from mutmut.mutation.file_mutation import MutatedFile, mutate_file_contents

from tests.fuzz.work import DETOUR

ROOT: Final = Path(__file__).parents[2]
_IMPORTED: Final = "from mutmut.mutation.trampoline import wrap_in_trampoline as"
_CHANGED: Final = "__mutmut_"
MutantDict = dict[str, Callable[..., Any]]

#: Every function that can be changed, by the name that a change has for it, with all of its bodies by mutmut's names.
functions: dict[str, tuple[types.FunctionType, MutantDict]] = {}


class Change(NamedTuple):
    """One change."""

    function: str
    """`streamdns.dns.name.to_text`, `streamdns.dns.wire.Packet.add`."""
    key: str
    """mutmut's name for the body."""
    what: str
    """Lines as they are and as they become, as `old -> new`."""

    def __str__(self) -> str:
        return f"{self.function}: {self.what}"


def noted(bodies: MutantDict, **_: bool) -> Callable[[types.FunctionType], types.FunctionType]:
    """Decorate a function of a module that mutmut has written: it stays as it is, and its other bodies are noted."""

    def note(function: types.FunctionType) -> types.FunctionType:
        functions[f"{function.__module__}.{function.__qualname__}"] = function, bodies
        return function

    return note


def become(function: types.FunctionType, body: Callable[..., Any]) -> None:
    """Give a function another body, for everybody who has imported it."""
    other: types.FunctionType = getattr(body, "__func__", body)
    if other.__code__.co_freevars == function.__code__.co_freevars:
        function.__code__ = other.__code__
        function.__defaults__ = other.__defaults__
        function.__kwdefaults__ = other.__kwdefaults__
    else:
        redirect(function, lambda args, kwargs: other(*args, **kwargs))


def redirect(function: types.FunctionType, to: Callable[[tuple[Any, ...], dict[str, Any]], Any]) -> None:
    """Have another function called with what this one is called with."""
    name = f"_redirected_{id(function)}"
    function.__globals__[name] = to
    # A method that says super() has a closure, and code for it has to have one, too.
    free = function.__code__.co_freevars
    text = "\n".join((
        "def outer():", *(f"    {each} = None" for each in free),
        "    def inner(*args, **kwargs):", *(f"        {each}" for each in free),
        f"        return {name}(args, kwargs)", "    return inner",
    ))
    made: dict[str, Any] = {}
    exec(compile(text, DETOUR, "exec"), made)
    function.__code__ = made["outer"]().__code__


def _texts(made: MutatedFile) -> dict[str, list[str]]:
    lines = made.code.splitlines()
    return {name: lines[span.start - 1:span.end] for name, span in made.line_span_by_function_name.items()}


def _what(old: Sequence[str], new: Sequence[str]) -> str:
    changed = list(difflib.unified_diff(old, new, n=0, lineterm=""))[2:]
    sides = (" ".join(line[1:].strip() for line in changed if line.startswith(sign)) for sign in "-+")
    return " -> ".join(sides)


def _numbered(changes: Sequence[Change]) -> list[Change]:
    """Say which one it is where a function has the same line at several places."""
    alike = Counter(map(str, changes))
    seen: Counter[str] = Counter()
    result = []
    for change in changes:
        seen[str(change)] += 1
        which = f" ({seen[str(change)]} of {alike[str(change)]})" if alike[str(change)] > 1 else ""
        result.append(change._replace(what=change.what + which))
    return result


class Mutated(SourceFileLoader):
    """Loads a module with all of its changes in it, none of which counts yet."""

    def __init__(self, module: str, path: Path) -> None:
        super().__init__(module, str(path))
        self._made = mutate_file_contents(str(path.relative_to(ROOT)), path.read_text(encoding="utf-8"))

    def get_code(self, fullname: str) -> types.CodeType:
        """Compile it; nothing is written beside the source."""
        code = self._made.code.replace(_IMPORTED, "from tests.mutants.changes import noted as")
        return compile(code, self.path, "exec", dont_inherit=True)

    def changes(self) -> list[Change]:
        """All of them, in the order of the source."""
        texts, result = _texts(self._made), []
        for key in self._made.mutant_names:
            mangled = key.partition(_CHANGED)[0]
            function = f"{self.name}.{mangled[2:].replace('ǁ', '.')}"
            name = mangled[2:].rpartition("ǁ")[2]
            old, new = ([line.replace(f"def {each}(", f"def {name}(") for line in texts[each]]
                        for each in (f"{mangled}{_CHANGED}orig", key))
            result.append(Change(function, key, _what(old, new)))
        return _numbered(result)


class Finder(importlib.abc.MetaPathFinder):
    """Finds the modules of a group, before anybody else does."""

    def __init__(self, patterns: Sequence[str]) -> None:
        paths = sorted(path for pattern in patterns for path in ROOT.glob(pattern) if path.suffix == ".py")
        names = {path: ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
                 for path in paths}
        self._loaders = {name: Mutated(name, path) for path, name in names.items() if path.stem != "__init__"}
        self.changes = [change for loader in self._loaders.values() for change in loader.changes()]
        early = self._loaders.keys() & sys.modules.keys()
        assert not early, f"imported too early: {sorted(early)}"

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None,
    ) -> ModuleSpec | None:
        """The module with its changes, or nothing."""
        loader = self._loaders.get(fullname)
        return loader and importlib.util.spec_from_file_location(fullname, loader.path, loader=loader)
