"""What sinks of brokers have in common, with a log that reports at once."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from streamdns.errors import SourceError
from streamdns.sources.sink import LogEvent, Placed, ReportedSink

EVENTS: list[LogEvent] = [(b"a.example.|A", b"[]", 1), (b"b.example.|A", None, 2)]


class Reported(ReportedSink):
    """Confirms each event at the place that comes next in `places`; nothing more once there are none."""

    def __init__(self, places: list[int]) -> None:
        super().__init__("log zones", 0.0)
        self._places = places
        self._unreported: list[int] = []

    def send(self, events: Sequence[LogEvent]) -> None:
        for _ in events:
            self._unreported.append(self._sent)
            self._sent += 1

    def _wait_for_reports(self) -> None:
        if self._places and self._unreported:
            number, place = self._unreported.pop(0), self._places.pop(0)
            self._stored += 1
            if self._wanted <= number:
                self._placed[number] = Placed("zones", 0, place)


def test_places_are_those_of_the_events_that_were_appended() -> None:
    sink = Reported([5, 6, 7])
    sink.send(EVENTS[:1])
    assert sink.append(EVENTS[:1]) == [Placed("zones", 0, 6)]
    assert sink.append(EVENTS[1:]) == [Placed("zones", 0, 7)]


def test_a_library_that_reports_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamdns.sources.sink._PATIENCE_S", 0.0)
    sink = Reported([5])
    sink.send(EVENTS)
    with pytest.raises(SourceError, match="log zones: the client does not say what became of the events"):
        sink.flush()
