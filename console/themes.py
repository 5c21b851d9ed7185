"""Colours: a dark and a light theme, two for terminals of 16 colours, and what each style of a span looks like."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from textual.theme import BUILTIN_THEMES, Theme

DARK: Final = Theme(
    name="streamdns-dark",
    dark=True,
    primary="#4fd6be",
    secondary="#7aa2f7",
    accent="#4fd6be",
    foreground="#d3dce6",
    background="#0e1318",
    surface="#131a21",
    panel="#1b242d",
    boost="#1b242d",
    success="#7bd88f",
    warning="#f5b04c",
    error="#ff6b6b",
    variables={
        "notice": "#8ab4ff",
        "stale": "#77838f",
        "dim": "#7f8b97",
        "rule": "#33404c",
        "cursor": "#22384a",
        "second": "#b58df0",
    },
)
LIGHT: Final = Theme(
    name="streamdns-light",
    dark=False,
    primary="#00796b",
    secondary="#0b57d0",
    accent="#00796b",
    foreground="#1d2731",
    background="#fbfcfd",
    surface="#f2f5f7",
    panel="#e6ebef",
    boost="#e6ebef",
    success="#1a7f37",
    warning="#935f00",
    error="#c02020",
    variables={
        "notice": "#0b57d0",
        "stale": "#6a7682",
        "dim": "#5c6873",
        "rule": "#c3ccd4",
        "cursor": "#cfe6f5",
        "second": "#7a3fc0",
    },
)
DARK_16: Final = replace(
    BUILTIN_THEMES["ansi-dark"],
    name="streamdns-16",
    accent="ansi_cyan",
    primary="ansi_cyan",
    error="ansi_bright_red",
    variables={
        **BUILTIN_THEMES["ansi-dark"].variables,
        "notice": "ansi_bright_blue",
        "stale": "ansi_bright_black",
        "dim": "ansi_white",
        "rule": "ansi_bright_black",
        "cursor": "ansi_blue",
        "second": "ansi_magenta",
    },
)
LIGHT_16: Final = replace(
    BUILTIN_THEMES["ansi-light"],
    name="streamdns-16-light",
    accent="ansi_blue",
    warning="ansi_magenta",
    variables={
        **BUILTIN_THEMES["ansi-light"].variables,
        "notice": "ansi_blue",
        "stale": "ansi_bright_black",
        "dim": "ansi_bright_black",
        "rule": "ansi_bright_black",
        "cursor": "ansi_cyan",
        "second": "ansi_magenta",
    },
)
THEMES: Final = (DARK, LIGHT, DARK_16, LIGHT_16)

#: Every name of a style that a span may have, and what it looks like in any theme.
STYLES: Final = {
    "ok": "color: $success;",
    "notice": "color: $notice;",
    "warning": "color: $warning;",
    "alarm": "color: $error; text-style: bold;",
    "stale": "color: $stale;",
    "dim": "color: $dim;",
    "accent": "color: $accent;",
    "second": "color: $second;",
    "title": "color: $accent; text-style: bold;",
    "strong": "text-style: bold;",
    "key": "color: $accent; text-style: bold;",
    "rule": "color: $rule;",
    "gone": "color: $error;",
    "come": "color: $success;",
    "match": "text-style: bold underline;",
    "here": "text-style: bold reverse;",
    "cursor": "background: $cursor; text-style: bold;",
    "band": "background: $warning; color: $background; text-style: bold;",
}
CLASS_PREFIX: Final = "span--"
COMPONENT_CLASSES: Final = frozenset(CLASS_PREFIX + name for name in STYLES)


def component_css(widget: str) -> str:
    """The styles as component classes of a widget."""
    return "\n".join(f"{widget} > .{CLASS_PREFIX}{name} {{ {rules} }}" for name, rules in STYLES.items())
