"""Compiles for the Python that runs this: what is in Cython beside its sources, and with --all a whole tree.

That tree, build/compiled/, is what an installed wheel is: there, not in the checkout, modules that are compiled from
Python lie beside their sources, before which they go. Who wants it puts it first on the path, as `make run` does;
--fits exits with 0 where it is there, made from the sources as they are now.

What was compiled before is removed first. Where nothing can be compiled this says so, and exits with 1.
"""

from __future__ import annotations

import os
import pathlib
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence

ROOT = pathlib.Path(__file__).resolve().parent.parent
_BUILD = ROOT / "build"
#: A tree as it is installed, with compiled modules beside the sources that they were made from.
COMPILED = _BUILD / "compiled"
_LOG = _BUILD / "compiled.log"
_SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")
_TOOLS = ["-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--require-hashes",
          "-r", str(ROOT / "packaging" / "locks" / "compile.txt")]
_BESIDE = ["setup.py", "build_ext", "--inplace", "--force"]


def missing() -> list[str]:
    """What has to be there to compile for this Python and is not; Debian has it in gcc, libc6-dev and python3-dev."""
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    if shutil.which(compiler[0]) is None:
        return [f"no C compiler ({compiler[0]})"]
    lacking = []
    if not pathlib.Path(sysconfig.get_path("include"), "Python.h").is_file():
        lacking.append("no Python.h")
    header = b"#include <sys/socket.h>\n"
    if subprocess.run([*compiler, "-E", "-"], input=header, capture_output=True, check=False).returncode != 0:
        lacking.append("no sys/socket.h")
    return lacking


def whole(place: pathlib.Path) -> list[str]:
    """The command that makes all of it below a folder; it leaves the folder `lib` there."""
    return ["setup.py", "build", "--build-base", str(place / "temp"), "--build-lib", str(place / "lib"), "--force"]


def fits(tree: pathlib.Path = COMPILED) -> bool:
    """Whether a tree was compiled for this Python from the very sources that are here now."""
    for package in ("streamdns", "console"):
        there = tree / ("streamdns_console" if package == "console" else package)
        sources, copies = _sources(ROOT / package), _sources(there)
        if sources.keys() != copies.keys() or any(copies[name] != octets for name, octets in sources.items()):
            return False
    return any(tree.glob(f"*{_SUFFIX}"))


def _sources(folder: pathlib.Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.py")}


def _remove() -> None:
    for module in (ROOT / "streamdns").rglob("*.so"):
        module.unlink()
    shutil.rmtree(COMPILED, ignore_errors=True)


def _failed(reason: str) -> int:
    print(f"Nothing is compiled: {reason}. streamdns runs in Python alone, which takes more CPU for each query;\n"
          "`make compiled` tries it again (Debian: apt install gcc libc6-dev python3-dev).\n"
          "Without a compiler take the compiled wheel, which `make wheel` makes elsewhere (docs/install.md).")
    return 1


def main(arguments: Sequence[str]) -> int:
    """Compile, and write into build/compiled.log what the tools have to say."""
    if "--fits" in arguments:
        return 0 if fits() else 1
    _remove()
    lacking = missing()
    if lacking:
        return _failed(f"there is {' and '.join(lacking)}")
    making = _BUILD / "compiling"
    shutil.rmtree(making, ignore_errors=True)
    _BUILD.mkdir(exist_ok=True)
    commands = [_TOOLS, _BESIDE]
    if "--all" in arguments:
        print("compiling what answers and events go through, which takes some minutes")
        commands.append(whole(making))
    with _LOG.open("wb") as log:
        for command in commands:
            done = subprocess.run(
                [sys.executable, *command], cwd=ROOT, env=os.environ | {"STREAMDNS_COMPILE": "1"},
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, check=False,
            )
            if done.returncode != 0:
                _remove()
                return _failed(f"{_LOG.relative_to(ROOT)} has the reason")
    if "--all" in arguments:
        (making / "lib").rename(COMPILED)
        shutil.rmtree(making)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
