"""Figures, ages and moments as text of a fixed width, so that nothing on the screen jumps when a figure changes.

Pure: no clock, no terminal. Moments are seconds since 1970 and shown in UTC, as the server's log has them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

#: For a figure that nobody knows.
UNKNOWN: Final = "–"
_MINUTE_S: Final = 60
_HOUR_S: Final = 3600
_DAY_S: Final = 86400
_LAST_S: Final = 253402300799.0


def count(value: float | None) -> str:
    """A whole number with its thousands separated: 1,204,551."""
    return UNKNOWN if value is None else f"{value:,.0f}"


def rate(value: float | None) -> str:
    """Something a second in three digits: 0.3, 84, 1.2k, 18.4k, 104k, 2.1M."""
    if value is None:
        return UNKNOWN
    if value < 0.05:
        return "0"
    if value < 9.95:
        return f"{value:.1f}"
    return short(value)


def short(value: float | None) -> str:
    """A number in at most five characters: 999, 1.2k, 18.4k, 104k, 2.1M."""
    if value is None:
        return UNKNOWN
    for unit in ("", "k", "M", "G", "T"):
        if abs(value) < 999.5 or unit == "T":
            if not unit or abs(value) >= 99.95:
                return f"{value:.0f}{unit}"
            return f"{value:.1f}{unit}"
        value /= 1000
    raise AssertionError("the last unit ends the loop")


def millis(value_s: float | None) -> str:
    """Seconds as milliseconds with two digits that count: 0.09, 0.7, 21, 1,200."""
    if value_s is None:
        return UNKNOWN
    value = value_s * 1000
    if value < 0.095:
        return f"{value:.2f}"
    if value < 9.95:
        return f"{value:.1f}" if value >= 0.995 else f"{value:.2f}".rstrip("0").rstrip(".")
    return f"{value:,.0f}"


def percent(share: float | None) -> str:
    """A share of one: 4.1 %, 93 %, 100 %."""
    if share is None:
        return UNKNOWN
    value = share * 100
    return f"{value:.1f} %" if value < 9.95 else f"{value:.0f} %"


def octets(value: float | None) -> str:
    """Octets in binary units: 512 B, 4.0 KiB, 412 MiB."""
    if value is None:
        return UNKNOWN
    if value < 1024:
        return f"{value:.0f} B"
    for unit in ("KiB", "MiB", "GiB", "TiB", "PiB"):
        value /= 1024
        if value < 1000 or unit == "PiB":
            return f"{value:.1f} {unit}" if value < 9.95 else f"{value:.0f} {unit}"
    raise AssertionError("the last unit ends the loop")


def span(seconds: float | None) -> str:
    """How long something takes or took, in one or two units: 0.2 s, 41 s, 3 min 5 s, 2 h 10 min, 12 d 3 h."""
    if seconds is None:
        return UNKNOWN
    seconds = max(0.0, seconds)
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for unit_s, name, smaller_s, smaller in (
        (_DAY_S, "d", _HOUR_S, "h"),
        (_HOUR_S, "h", _MINUTE_S, "min"),
        (_MINUTE_S, "min", 1, "s"),
    ):
        if whole >= unit_s:
            rest = whole % unit_s // smaller_s
            return f"{whole // unit_s} {name}" + (f" {rest} {smaller}" if rest else "")
    return f"{whole} s"


def age(seconds: float | None) -> str:
    """How long ago in one unit: now, 4 s, 3 min, 2 h, 12 d."""
    if seconds is None:
        return UNKNOWN
    if seconds < 1:
        return "now"
    for unit_s, name in ((_DAY_S, "d"), (_HOUR_S, "h"), (_MINUTE_S, "min")):
        if seconds >= unit_s:
            return f"{seconds / unit_s:.0f} {name}" if seconds >= 10 * unit_s else f"{int(seconds / unit_s)} {name}"
    return f"{int(seconds)} s"


def clock(at_s: float | None) -> str:
    """The time of day of a moment: 03:12:07."""
    return UNKNOWN if at_s is None else _utc(at_s).strftime("%H:%M:%S")


def moment(at_s: float | None) -> str:
    """A moment to the second: 2026-11-30 03:12:07 UTC."""
    return UNKNOWN if at_s is None else _utc(at_s).strftime("%Y-%m-%d %H:%M:%S UTC")


def exact(at_ms: int | None) -> str:
    """A moment to the millisecond, as the server's log writes it: 2026-11-30T03:12:07.042Z."""
    if at_ms is None:
        return UNKNOWN
    return f"{_utc(at_ms / 1000).strftime('%Y-%m-%dT%H:%M:%S')}.{at_ms % 1000:03}Z"


def when(at_s: float | None, now_s: float) -> str:
    """A moment as lists have it: how long ago within an hour, the time of day within a day, else the date."""
    if at_s is None or at_s <= 0:
        return UNKNOWN
    gone_s = now_s - at_s
    if gone_s < _HOUR_S:
        return "now" if gone_s < 1 else f"{age(gone_s)} ago"
    return clock(at_s) if gone_s < _DAY_S else _utc(at_s).strftime("%Y-%m-%d")


def since(at_s: float, now_s: float) -> str:
    """A moment behind the word since: 02:14, or 2026-11-28 02:14 where that is not within a day."""
    return _utc(at_s).strftime("%H:%M" if now_s - at_s < _DAY_S else "%Y-%m-%d %H:%M")


def short_digest(digest: str) -> str:
    """The first eight digits of a digest."""
    return digest[:8] or UNKNOWN


def plural(number: int, one: str, more: str = "") -> str:
    """A number with its noun: 1 event, 3 events, 1,204 events."""
    return f"{number:,} {one if number == 1 else more or one + 's'}"


def _utc(at_s: float) -> datetime:
    return datetime.fromtimestamp(min(max(0.0, at_s), _LAST_S), UTC)
