"""One heap for all threads: counted by malloc itself, in a process that has allocated in several of them."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.harness import ROOT

_ALLOCATES = """
import ctypes, os, sys, threading
from streamdns.runtime.malloc import use_one_arena
libc = ctypes.CDLL(None)
if not hasattr(libc, "malloc_info"):
    sys.exit("no malloc_info")
one = use_one_arena() if sys.argv[1] == "one" else False
barrier = threading.Barrier(4)
def allocate():
    barrier.wait(60)
    kept = [bytes(4000) for _ in range(100)]
    barrier.wait(60)
threads = [threading.Thread(target=allocate) for _ in range(4)]
for each in threads: each.start()
for each in threads: each.join()
libc.fdopen.restype = ctypes.c_void_p
reads, writes = os.pipe()
file = libc.fdopen(writes, b"w")
libc.malloc_info(0, ctypes.c_void_p(file))
libc.fclose(ctypes.c_void_p(file))
print(one, os.read(reads, 1 << 16).count(b"<heap nr="))
"""


def _heaps(argument: str) -> list[str]:
    cleared = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    done = subprocess.run([sys.executable, "-c", _ALLOCATES, argument], cwd=ROOT, capture_output=True, text=True,
                          check=False, env=cleared)
    if "no malloc_info" in done.stderr:
        pytest.skip("this C library does not tell of its heaps")
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_all_threads_share_one_heap() -> None:
    assert _heaps("one") == ["True", "1"]
    one, heaps = _heaps("as it comes")
    assert (one, int(heaps) > 1) == ("False", True)
