"""The project's own sources as syntax trees, for tests of conventions."""

from __future__ import annotations

import ast
import os
import pathlib
from collections.abc import Iterator

from tests.harness import ROOT

_SKIPPED = {".git", ".venv", "var", "build", "dist", "results", "__pycache__"}


def files(*suffixes: str) -> Iterator[pathlib.Path]:
    """Every file of the checkout with one of `suffixes` (all without any), but nothing that was made by running."""
    for folder, subfolders, names in os.walk(ROOT):
        subfolders[:] = [n for n in subfolders if n not in _SKIPPED and not n.endswith((".egg-info", "_cache"))
                         and n != ".hypothesis"]
        for name in sorted(set(names) - _SKIPPED):
            path = pathlib.Path(folder, name)
            if (not suffixes or path.suffix in suffixes) and path.is_file():
                yield path


def modules(package: str) -> dict[str, pathlib.Path]:
    """Module name to file of everything below a top-level folder that is a package."""
    found = {}
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = list(path.relative_to(ROOT).with_suffix("").parts)
        if parts[-1] == "__init__":
            parts.pop()
        found[".".join(parts)] = path
    return found


def tree(path: pathlib.Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports(name: str, path: pathlib.Path) -> set[str]:
    """Full names of everything that a module imports, anywhere in it, with `from a import b` as both a and a.b."""
    found = set()
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, base] if base else above)
            found |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    return found


def within(name: str, *packages: str) -> bool:
    """Whether `name` is one of `packages` or below one."""
    return any(name == package or name.startswith(package + ".") for package in packages)
