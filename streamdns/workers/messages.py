"""What the main process and its workers tell each other, as msgpack between processes of one and the same version."""

from __future__ import annotations

import pickle
from typing import Final

import msgspec

from streamdns.settings import Settings


class Begin(msgspec.Struct, tag=True):
    """Main to a process in reserve: be worker `number` of `workers`; the sockets come with this message."""

    number: int
    settings: bytes
    stale: bool


class Reload(msgspec.Struct, tag=True):
    """Main to worker: these settings are in effect from now on."""

    settings: bytes


class Stale(msgspec.Struct, tag=True):
    """Main to worker: whether answers are to be marked as stale from now on."""

    stale: bool


class Follow(msgspec.Struct, tag=True):
    """Main to worker: another generation of the view serves from now on."""


class Ask(msgspec.Struct, tag=True):
    """Main to worker: call this method of the resolver's part of the admin API, and send what it returns."""

    number: int
    method: str
    arguments: dict[str, str | int | bool]


class Stop(msgspec.Struct, tag=True):
    """Main to worker: answer what has arrived, then end."""


ToWorker = Begin | Reload | Stale | Follow | Ask | Stop


class Loaded(msgspec.Struct, tag=True):
    """Worker to main: all modules are loaded, and it waits for what to be."""


class Answers(msgspec.Struct, tag=True):
    """Worker to main: queries are answered from now on."""


class Failed(msgspec.Struct, tag=True):
    """Worker to main: why it is about to end."""

    error: str


class Told(msgspec.Struct, tag=True):
    """Worker to main: the answer to an Ask, as JSON; or the status, code and message of an ApiError."""

    number: int
    document: bytes = b""
    status: int = 0
    code: str = ""
    error: str = ""


class Report(msgspec.Struct, tag=True):
    """Worker to main, a few times a second: what was counted since the report before; it is the sign of life, too.

    Each figure has the name of its metric and the values of its labels. `counts` and the counts by bucket in
    `histograms` (with the sum of what was observed) are what was added, `levels` are gauges as they stand.
    """

    counts: list[tuple[str, tuple[str, ...], float]]
    levels: list[tuple[str, tuple[str, ...], float]]
    histograms: list[tuple[str, tuple[str, ...], tuple[int, ...], float]]
    cpu_s: float
    resident_bytes: int
    late_s: float
    first_answers: list[tuple[str, int, float]] = []
    """States of the view (generation, number of the commit), and when (s) the first answer from each was given."""


FromWorker = Loaded | Answers | Failed | Told | Report

encode: Final = msgspec.msgpack.Encoder().encode
decode_to_worker: Final = msgspec.msgpack.Decoder(ToWorker).decode
decode_from_worker: Final = msgspec.msgpack.Decoder(FromWorker).decode


def packed(settings: Settings) -> bytes:
    """Pack settings for a worker, secrets included: they go through a socket that only the two processes have."""
    return pickle.dumps(settings)


def unpacked(data: bytes) -> Settings:
    """Return the settings that the main process packed."""
    found = pickle.loads(data)  # noqa: S301 - from the process that started this one, which may do anything anyway
    assert isinstance(found, Settings)
    return found
