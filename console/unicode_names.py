"""Names of other scripts as people write them: xn-- labels (RFC 3492) decoded for the eye only. Pure."""

from __future__ import annotations

import functools

from .lines import printable


@functools.lru_cache(4096)
def shown_name(name: str) -> str:
    """The name with its xn-- labels decoded; "" where it has none, or none that can be."""
    if "xn--" not in name.lower():
        return ""
    labels = [_label(label) for label in name.split(".")]
    decoded = ".".join(labels)
    return printable(decoded) if decoded != name else ""


def _label(label: str) -> str:
    if not label.lower().startswith("xn--"):
        return label
    try:
        decoded = label[4:].encode("ascii").decode("punycode")
    except (UnicodeError, ValueError):
        return label
    # A label that would read as something else than one is left as it is.
    return decoded if decoded and "." not in decoded else label
