"""Lets other threads of this process have the interpreter in the middle of long work that is compiled.

A thread gives the interpreter away when another one has waited for it as long as sys.setswitchinterval() says; it looks
for that where a function of Python begins and where a loop of Python goes round. Compiled code has neither, and would
keep the event loop, and so every query, waiting until its work is done.
"""

from __future__ import annotations


def let_others() -> None:
    """Give the interpreter to another thread where one waits for it: to be called is all that it takes.

    This module must not be compiled.
    """
