"""What is said of a topic's policies, and how entries behind a position are counted."""

from __future__ import annotations

from streamdns.events.message_id import pack
from streamdns.sources.pulsar.extent import Extent
from streamdns.sources.pulsar.policies import warnings_of

FOR_EVER = {"retentionTimeInMinutes": -1, "retentionSizeInMB": -1}
STATS = {
    "ledgers": [{"ledgerId": 5, "entries": 10}, {"ledgerId": 9, "entries": 20}, {"ledgerId": 12, "entries": 0}],
    "currentLedgerEntries": 7,
}


def test_a_topic_that_keeps_everything_and_is_compacted_is_fine() -> None:
    assert warnings_of("t", 4, FOR_EVER, 100 << 20, known=True) == []
    assert warnings_of("t", 4, {"retentionTimeInMinutes": 90 * 1440, "retentionSizeInMB": -1}, 1, known=True) == []


def test_what_is_unwise_is_said_with_figures() -> None:
    (said,) = warnings_of("t", 4, {"retentionTimeInMinutes": 4320, "retentionSizeInMB": 100}, 1, known=True)
    assert said.startswith("topic t: retention is 4320 minutes (3 days) and 100 MB: ")
    (said,) = warnings_of("t", 4, None, 1, known=True)
    assert "no retention is set" in said
    (said,) = warnings_of("t", 4, FOR_EVER, None, known=True)
    assert "no compaction threshold is set" in said
    (said,) = warnings_of("t", 65, None, None, known=False)
    assert "65 partitions" in said


def test_entries_behind_a_position() -> None:
    extent = Extent.of(STATS)
    assert extent.total == 37
    assert extent.behind(0) == 37
    assert extent.behind(pack(4, 90, -1) + 1) == 37, "a ledger that was cut away"
    assert extent.behind(pack(5, 9, -1) + 1) == 27
    assert extent.behind(pack(7, 2, -1) + 1) == 27
    assert extent.behind(pack(9, 3, 40) + 1) == 16 + 7
    assert extent.behind(pack(12, 6, -1) + 1) == 0
    assert extent.behind(pack(12, 8, -1) + 1) == extent.behind(pack(13, 0, -1) + 1) == 0, "written since it was asked"
    assert Extent.of({"ledgers": []}).behind(0) == 0
