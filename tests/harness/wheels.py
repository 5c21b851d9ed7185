"""Builds wheels and source distributions of the checkout, from a copy of what they are made of."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

from tests.harness.process import ROOT


def script(name: str) -> ModuleType:
    """A program of packaging/ as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "packaging" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def copied(folder: Path) -> Path:
    """Copy what a wheel is made of, and the tests; returns the place."""
    tree = folder / "tree"
    tree.mkdir()
    extras = [f"requirements-{extra}.txt" for extra in ("console", "pulsar", "web")]
    for name in ("setup.py", "pyproject.toml", "requirements.txt", *extras, "MANIFEST.in", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    for name in ("streamdns", "console", "tests"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    return tree


def source_of(tree: Path, folder: Path) -> Path:
    """Build a source distribution of a checkout."""
    subprocess.run([sys.executable, "setup.py", "--quiet", "sdist", "--dist-dir", str(folder)], cwd=tree, check=True,
                   stdin=subprocess.DEVNULL, capture_output=True)
    (source,) = folder.glob("*.tar.gz")
    return source


def wheel_of(source: Path, folder: Path, *, compiled: bool = False) -> Path:
    """Build a wheel of a checkout or of a source distribution."""
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index",
         "--disable-pip-version-check", "--wheel-dir", str(folder), str(source)],
        check=True, stdin=subprocess.DEVNULL, env={**os.environ, "STREAMDNS_COMPILE": "1" if compiled else "0"},
    )
    (wheel,) = folder.glob("*.whl")
    return wheel
