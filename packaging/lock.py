"""Writes packaging/locks/: for every pinned requirement the hashes of its files, so that nothing else is installed.

The versions are those of requirements*.txt; this only looks up what the index has of them. `make lock` runs it.
"""

from __future__ import annotations

import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
LOCKS = ROOT / "packaging" / "locks"
#: What comes as source only, and is built by pykafka_wheel.py.
SOURCE = "pykafka"
#: What builds sources, before anything else is there.
BUILD = "setuptools"
#: Each lock, and the files of requirements that it is made of.
OF = {
    "runtime": ("requirements.txt", "requirements-console.txt"),
    "pulsar": ("requirements-pulsar.txt",),
    "tools": ("requirements-api.txt",),
    "mutants": ("requirements-mutants.txt",),
    "fuzz": ("requirements-fuzz.txt",),
    "compile": ("requirements-compile.txt",),
    "lock": ("requirements-lock.txt",),
    "sbom": ("requirements-sbom.txt",),
    "wheel": ("requirements-wheel.txt",),
}
_HEAD = "# Made by `make lock` from {}: the versions stand there.\n"


def pins(*names: str) -> list[str]:
    """The requirements in files and in those that they name by -r, each once."""
    found: dict[str, None] = {}
    for name in names:
        for line in (ROOT / name).read_text(encoding="utf-8").split("\n"):
            if line.startswith("-r"):
                found |= dict.fromkeys(pins(line.removeprefix("-r").strip()))
            elif line.strip():
                found[line.strip()] = None
    return list(found)


def wanted() -> dict[str, list[str]]:
    """The requirements of each lock."""
    locks = {lock: [pin for pin in pins(*names) if not pin.startswith(f"{SOURCE}==")] for lock, names in OF.items()}
    runtime = pins(*OF["runtime"])
    return locks | {name: [pin for pin in runtime if pin.startswith(f"{of}==")]
                    for name, of in (("build", BUILD), ("source", SOURCE))}


def main() -> int:
    """Write every lock."""
    for lock, lines in wanted().items():
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
            file.write("\n".join(lines))
            file.flush()
            done = subprocess.run(
                [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--no-config", "--no-deps", "--universal",
                 "--python-version", "3.11", "--generate-hashes", "--no-header", "--no-annotate", file.name],
                stdout=subprocess.PIPE, text=True, check=True,
            )
        (LOCKS / f"{lock}.txt").write_text(_HEAD.format(" and ".join(OF.get(lock, OF["runtime"]))) + done.stdout)
        print(f"{lock}: {len(lines)} requirements")
    return 0


if __name__ == "__main__":
    sys.exit(main())
