"""What goes on in a thread of its own while the block of a `with` lasts."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class Background(ABC):
    """Does something in a thread while a `with` block lasts; what fails there is raised where the block ends.

    `_run` ends when `_stop` is set. A block that fails by itself raises its own error.
    """

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._guarded, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._end()
        if kind is None and self._failure is not None:
            raise self._failure

    @abstractmethod
    def _run(self) -> None:
        """What is done until `_stop` is set."""

    def _end(self) -> None:
        self._stop.set()
        self._thread.join()

    def _guarded(self) -> None:
        try:
            self._run()
        except BaseException as error:
            self._failure = error
