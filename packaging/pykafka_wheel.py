"""Installs pykafka from its source, which is checked by its hash, without what does not belong to it.

It is published as source only, and would bring a top-level package `tests` and a command into every environment.
"""

from __future__ import annotations

import pathlib
import subprocess
import sys
import tempfile
import zipfile

LOCK = pathlib.Path(__file__).resolve().parent / "locks" / "source.txt"
_PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input")


def build(folder: pathlib.Path) -> pathlib.Path:
    """Build the wheel in a folder, with the setuptools of this environment; returns its path."""
    subprocess.run(
        [*_PIP, "wheel", "--quiet", "--require-hashes", "--no-deps", "--no-build-isolation", "--use-pep517",
         "--no-cache-dir", "--wheel-dir", str(folder / "whole"), "--requirement", str(LOCK)],
        check=True, stdin=subprocess.DEVNULL,
    )
    (whole,) = (folder / "whole").glob("*.whl")
    return only_its_own(whole, folder / whole.name)


def only_its_own(whole: pathlib.Path, made: pathlib.Path) -> pathlib.Path:
    """Write a wheel again with the package `pykafka` and its metadata only; returns the path of the new one."""
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as target:
        for item in source.infolist():
            if not _belongs(item.filename):
                continue
            content = source.read(item)
            if item.filename.endswith(".dist-info/RECORD"):
                lines = content.decode().splitlines(keepends=True)
                content = "".join(line for line in lines if _belongs(line.partition(",")[0])).encode()
            target.writestr(item, content)
    return made


def _belongs(name: str) -> bool:
    top, _, rest = name.partition("/")
    return top == "pykafka" or (top.endswith(".dist-info") and rest not in ("entry_points.txt", "top_level.txt"))


def main() -> int:
    """Build it and install it."""
    with tempfile.TemporaryDirectory() as folder:
        wheel = build(pathlib.Path(folder))
        subprocess.run([*_PIP, "install", "--quiet", "--no-deps", "--no-index", "--force-reinstall", str(wheel)],
                       check=True, stdin=subprocess.DEVNULL)
    return 0


if __name__ == "__main__":
    sys.exit(main())
