"""Installs the name servers and tools that the benchmarks compare with, from Debian's packages, and starts none.

`python -m benchmarks.peers` says in one sentence what it could not install; the benchmarks leave that out.
"""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from tests.harness.peers import find_tool, is_there, package_of

#: What is compared with, and what measures it.
PROGRAMS = ("nsd", "knotd", "pdns_server", "named", "unbound", "pdns_recursor", "dnsperf", "ip", "tc")
#: Debian asks this program before it starts or stops a service of a package (policy-rc.d in invoke-rc.d(8)).
POLICY = pathlib.Path("/usr/sbin/policy-rc.d")
_FORBID = "#!/bin/sh\nexit 101\n"
_UNITS = {"nsd": "nsd", "knotd": "knot", "pdns_server": "pdns", "named": "named", "unbound": "unbound",
          "pdns_recursor": "pdns-recursor"}
Run = Callable[[Sequence[str]], int]


@contextmanager
def services_at_rest(policy: pathlib.Path = POLICY) -> Iterator[None]:
    """No package that is installed inside starts a service; a policy that was there before is put back at the end."""
    with tempfile.TemporaryDirectory(dir=policy.parent) as folder:
        kept = pathlib.Path(folder) / policy.name
        had = os.path.lexists(policy)
        if had:
            os.replace(policy, kept)
        try:
            policy.write_text(_FORBID)
            policy.chmod(0o755)
            yield
        finally:
            policy.unlink(missing_ok=True)
            if had:
                os.replace(kept, policy)


def _run(command: Sequence[str]) -> int:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    return subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, check=False).returncode


def ensure(
    programs: Sequence[str] = PROGRAMS, *, run: Run = _run, policy: pathlib.Path = POLICY,
    is_root: bool | None = None,
) -> str:
    """Install the packages of those programs that are missing; a sentence about what is missing still, or nothing.

    It takes root and apt-get. The services are not started, and do not start with the machine either.
    """
    missing = [program for program in programs if find_tool(program) is None]
    if not missing:
        return ""
    if not (os.geteuid() == 0 if is_root is None else is_root):
        return _still(missing, "installing them takes root")
    if shutil.which("apt-get") is None:
        return _still(missing, "there is no apt-get to install them with")
    packages = sorted({package_of(program) for program in missing})
    # Those that were there before, without a part of theirs, are somebody's.
    units = [unit for program, unit in _UNITS.items() if program in missing and not is_there(program)]
    install = ("apt-get", "-qq", "install", "-y", "--no-install-recommends")
    with services_at_rest(policy):
        print(f"installing {' '.join(packages)}", flush=True)
        run(("apt-get", "-qq", "update"))  # Where that fails, the lists that are there may do.
        # One name that this release does not have would keep all of them away.
        if run((*install, *packages)) and len(packages) > 1:
            for package in packages:
                run((*install, package))
    if units and shutil.which("systemctl"):
        run(("systemctl", "--quiet", "disable", *units))
    return _still([program for program in missing if find_tool(program) is None], "apt-get could not install them")


def _still(missing: Sequence[str], reason: str) -> str:
    if not missing:
        return ""
    packages = " ".join(sorted({package_of(program) for program in missing}))
    return f"measured without {', '.join(missing)}: {reason} (apt install {packages})"


def main() -> int:
    """Install what is missing; 0 always, for what is not there is left out."""
    sentence = ensure()
    if sentence:
        print(sentence)
    return 0


if __name__ == "__main__":
    sys.exit(main())
