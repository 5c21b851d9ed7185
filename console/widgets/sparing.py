"""A screen that sends the cells that changed and no more.

Textual cuts off what is right of a change but sends its line from the widget's left edge on: over slow SSH that is most
of what is sent. (It knows no hook for this, so a part of it that is not public is replaced; its version is pinned.)
"""

from __future__ import annotations

from rich.console import Console
from rich.control import Control
from textual._compositor import ChopsUpdate, Compositor
from textual.screen import Screen


class _Changed(ChopsUpdate):
    """The spans of an update, each from its first cell to its last."""

    def render_segments(self, console: Console) -> str:
        """What the terminal gets."""
        sequences = []
        for y, x1, x2 in self.spans:
            for end, (x, strip) in zip(self.chop_ends[y], self.chops[y].items(), strict=False):
                if strip is None or x >= x2 or end <= x1:
                    continue
                first, last = max(x, x1), min(end, x2)
                sequences.append(Control.move_to(first, y).segment.text)
                sequences.append(strip.crop(first - x, last - x).render(console))
        return "".join(sequences)


class _SparingCompositor(Compositor):
    def render_partial_update(self) -> ChopsUpdate | None:
        update = super().render_partial_update()
        return None if update is None else _Changed(update.chops, update.spans, update.chop_ends)


class SparingScreen(Screen[None]):
    """The screen of the console."""

    def __init__(self) -> None:
        super().__init__()
        self._compositor = _SparingCompositor()
