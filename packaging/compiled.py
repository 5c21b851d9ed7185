"""Compiles the modules in Cython beside their sources, for the Python that runs this; without a compiler it says so.

What was compiled before is removed first: it would go before its source. Exits with 1 where nothing is compiled then.
"""

from __future__ import annotations

import os
import pathlib
import shlex
import shutil
import subprocess
import sys
import sysconfig

ROOT = pathlib.Path(__file__).resolve().parent.parent
_LOG = ROOT / "build" / "compiled.log"
_COMMANDS = (
    ["-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--require-hashes",
     "-r", str(ROOT / "packaging" / "locks" / "compile.txt")],
    ["setup.py", "build_ext", "--inplace", "--force"],
)


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


def _remove() -> None:
    for module in (ROOT / "streamdns").rglob("*.so"):
        module.unlink()


def _failed(reason: str) -> int:
    print(f"Nothing is compiled: {reason}. streamdns runs in Python alone, which takes more CPU for each query;\n"
          "`make compiled` tries it again (Debian: apt install gcc libc6-dev python3-dev).")
    return 1


def main() -> int:
    """Compile, and write into build/compiled.log what the tools have to say."""
    _remove()
    lacking = missing()
    if lacking:
        return _failed(f"there is {' and '.join(lacking)}")
    _LOG.parent.mkdir(exist_ok=True)
    with _LOG.open("wb") as log:
        for command in _COMMANDS:
            done = subprocess.run(
                [sys.executable, *command], cwd=ROOT, env=os.environ | {"STREAMDNS_COMPILE": "1"},
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, check=False,
            )
            if done.returncode != 0:
                _remove()
                return _failed(f"{_LOG.relative_to(ROOT)} has the reason")
    return 0


if __name__ == "__main__":
    sys.exit(main())
