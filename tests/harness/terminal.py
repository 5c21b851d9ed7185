"""A terminal of its own for a program, in tmux: keys in, the screen as text out."""

from __future__ import annotations

import os
import pathlib
import re
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from typing import Self

from tests.harness.process import ROOT, wait_until


class Terminal:
    """A tmux server with one session, ended with the context; `screen()` is what a person sees."""

    def __init__(
        self, folder: pathlib.Path, command: Sequence[str], *, env: Mapping[str, str], size: tuple[int, int] = (80, 24)
    ) -> None:
        self._socket = folder / "tmux"
        self._command, self._env, self._size = command, dict(env), size

    def __enter__(self) -> Self:
        width, height = self._size
        settings = [word for name, value in self._env.items() for word in ("-e", f"{name}={value}")]
        size = ("-x", str(width), "-y", str(height))
        self._tmux("-f", "/dev/null", "new-session", "-d", *size, *settings, "-c", str(ROOT),
                   shlex.join(self._command))
        return self

    def __exit__(self, *exc: object) -> None:
        self._tmux("kill-server", check=False)

    def screen(self) -> str:
        """What is on the screen, or \"\" where the program has ended."""
        return self._tmux("capture-pane", "-p", check=False)

    def waits_for(self, pattern: str, *, timeout_s: float = 60.0) -> str:
        """The screen as soon as something on it matches."""
        def look() -> str:
            text = self.screen()
            return text if re.search(pattern, text) else ""

        try:
            return wait_until(look, f"a screen with {pattern}", timeout_s=timeout_s, interval_s=0.1)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.screen()}") from None

    def keys(self, *names: str) -> None:
        """Press keys, by tmux's names."""
        self._tmux("send-keys", *names)

    def types(self, text: str) -> None:
        """Type a text."""
        self._tmux("send-keys", "-l", text)

    def resize(self, width: int, height: int) -> None:
        """Another size of the window."""
        self._tmux("resize-window", "-x", str(width), "-y", str(height))

    def _tmux(self, *words: str, check: bool = True) -> str:
        env = {name: value for name, value in os.environ.items() if name not in ("TMUX", "TMUX_PANE")}
        done = subprocess.run(["tmux", "-S", str(self._socket), *words], env={**env, "LC_ALL": "C.UTF-8"},
                              capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=30)
        assert done.returncode == 0 or not check, done.stderr
        return done.stdout
