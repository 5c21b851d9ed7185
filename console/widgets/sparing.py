"""A screen that sends the cells that changed and no more, and no colour twice.

Textual cuts off what is right of a change but sends its line from the widget's left edge on, and each piece of text
with all of its colours and a reset: over slow SSH that is most of what is sent. (It knows no hook for this, so parts of
it that are not public are replaced; its version is pinned.)
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from rich.color import ColorSystem
from rich.console import COLOR_SYSTEMS, Console
from rich.control import Control
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, Compositor
from textual.screen import Screen

_RESET: Final = "\x1b[0m"
#: What ends an attribute.
_ENDS: Final = {
    "1": "22", "2": "22", "3": "23", "4": "24", "5": "25", "6": "25", "7": "27", "8": "28", "9": "29",
    "21": "24", "51": "54", "52": "54", "53": "55",
}
#: Attributes that show the colour of letters where there are none: underlined, reversed, struck, overlined.
_SEEN_ON_SPACES: Final = ("4", "7", "9", "21", "53")


class Pen:
    """Writes pieces of text for a terminal, with what of their style differs from the piece before."""

    def __init__(self, colours: ColorSystem) -> None:
        self._colours = colours
        self._now: tuple[tuple[str, ...], str, str] | None = None

    def written(self, segments: Iterable[Segment]) -> str:
        """The segments with their sequences."""
        pieces = []
        for text, style, control in segments:
            if control or not text:
                pieces.append(text)
                continue
            wanted = _parts(style or Style.null(), self._colours)
            pieces.append(self._change(wanted, blank=text.isspace()) + text)
        return "".join(pieces)

    def end(self) -> str:
        """Back to the terminal's own colours."""
        ended, self._now = "" if self._now is None else _RESET, None
        return ended

    def _change(self, wanted: tuple[tuple[str, ...], str, str], *, blank: bool) -> str:
        attributes, colour, background = wanted
        if self._now is None:
            self._now = wanted
            codes = (*attributes, colour, background)
            return f"\x1b[{';'.join(codes)}m"
        attributes_now, colour_now, background_now = self._now
        ended = {_ENDS[each] for each in attributes_now if each not in attributes}
        # What ends bold ends dim as well.
        begun = [each for each in attributes if each not in attributes_now or _ENDS[each] in ended]
        codes = (*sorted(ended), *begun)
        if background != background_now:
            codes += (background,)
        # The colour of letters is not seen where there are none.
        unseen = blank and not any(each in _SEEN_ON_SPACES for each in attributes)
        if colour != colour_now and not unseen:
            codes += (colour,)
        self._now = attributes, colour_now if unseen else colour, background
        return f"\x1b[{';'.join(codes)}m" if codes else ""


@lru_cache(maxsize=4096)
def _parts(style: Style, colours: ColorSystem) -> tuple[tuple[str, ...], str, str]:
    """The codes (ECMA-48 8.3.117, SGR) of a style's attributes, of its colour and of its background."""
    plain = style.without_color.render("x", color_system=colours)
    attributes = plain[2 : plain.index("m")].split(";") if plain.startswith("\x1b[") else []
    colour = ("39",) if style.color is None else style.color.downgrade(colours).get_ansi_codes()
    background = ("49",) if style.bgcolor is None else style.bgcolor.downgrade(colours).get_ansi_codes(False)
    return tuple(attributes), ";".join(colour), ";".join(background)


class _Changed(ChopsUpdate):
    """The spans of an update, each from its first cell to its last."""

    def render_segments(self, console: Console) -> str:
        """What the terminal gets."""
        pen = Pen(COLOR_SYSTEMS.get(console.color_system or "", ColorSystem.TRUECOLOR))
        sequences = []
        for y, x1, x2 in self.spans:
            for end, (x, strip) in zip(self.chop_ends[y], self.chops[y].items(), strict=False):
                if strip is None or x >= x2 or end <= x1:
                    continue
                first, last = max(x, x1), min(end, x2)
                sequences.append(Control.move_to(first, y).segment.text)
                sequences.append(pen.written(strip.crop(first - x, last - x)))
        return "".join(sequences) + pen.end()


class _SparingCompositor(Compositor):
    def render_partial_update(self) -> ChopsUpdate | None:
        update = super().render_partial_update()
        return None if update is None else _Changed(update.chops, update.spans, update.chop_ends)


class SparingScreen(Screen[None]):
    """The screen of the console."""

    def __init__(self) -> None:
        super().__init__()
        self._compositor = _SparingCompositor()
