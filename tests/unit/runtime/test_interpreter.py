"""Long work in a native thread gives way to others."""

from __future__ import annotations

import subprocess
import sys

#: A thread that works without end has the interpreter and the only core; the one that started it goes on all the same.
#: By itself Python would have it change threads after an hour.
_TWO_THREADS = """
import os, sys, threading, time
from streamdns.runtime.interpreter import let_others

os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
sys.setswitchinterval(3600)
begun, ended = threading.Event(), False
GIVE_UP_S = time.monotonic() + 20

def work():
    begun.set()
    while not ended and time.monotonic() < GIVE_UP_S:
        let_others()

thread = threading.Thread(target=work)
thread.start()
begun.wait()
ended = True
print("in time" if time.monotonic() < GIVE_UP_S else "late")
thread.join()
"""


def test_another_thread_goes_on_while_one_works() -> None:
    done = subprocess.run([sys.executable, "-c", _TWO_THREADS], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "in time\n"
