"""Which of several partitions' events stands for an RRset, what counts in the digest, and how they are stored."""

from __future__ import annotations

from typing import Any

import pytest

from streamdns.dns.node import CONTESTED, LOCAL, REJECTED, Origin, RRset
from streamdns.view.candidates import (
    DELETE,
    NONE,
    SET,
    Candidate,
    CandidateId,
    decode_row,
    encode_row,
    from_rrset,
    in_digest,
    is_conflict,
    needs_rows,
    standing,
    standing_records,
    winner,
)
from streamdns.view.keys import LOCAL_TOPIC

#: Topics in the order in which this view met them, which is not that of their names.
TOPICS = ("zones", "alpha", "mid")
OWN = (LOCAL_TOPIC, 0)


def candidate(kind: int = SET, *, timestamp: int = 5, records: bytes = b"records", **more: Any) -> Candidate:
    return Candidate(kind, more.get("rejected", False), more.get("position", 7), timestamp, 2, records, b"{}")


@pytest.mark.parametrize(("candidates", "wins"), [
    ({}, None),
    ({(0, 0): candidate()}, (0, 0)),
    ({(0, 0): candidate(NONE)}, None),
    ({(0, 0): candidate(DELETE)}, (0, 0)),
    ({(0, 0): candidate(), OWN: candidate(timestamp=99)}, (0, 0)),
    ({OWN: candidate()}, None),
    ({(0, 0): candidate(timestamp=5), (0, 1): candidate(timestamp=6)}, (0, 1)),
    ({(0, 1): candidate(timestamp=5), (0, 0): candidate(DELETE, timestamp=6)}, (0, 0)),
    ({(0, 3): candidate(), (0, 2): candidate()}, (0, 3)),
    ({(1, 9): candidate(), (0, 0): candidate()}, (0, 0)),
    ({(1, 0): candidate(), (2, 0): candidate()}, (2, 0)),
    ({(0, 0): candidate(NONE, timestamp=99), (1, 0): candidate()}, (1, 0)),
])
def test_the_newest_wins_then_the_last_by_its_topic_s_name_and_partition(
    candidates: dict[CandidateId, Candidate], wins: CandidateId | None
) -> None:
    assert winner(candidates, TOPICS) == wins
    found = standing(1, {key: each for key, each in candidates.items() if key != OWN}, TOPICS)
    stands = wins is not None and candidates[wins].kind == SET
    assert (found is not None) == stands
    assert standing_records(candidates, TOPICS) == (b"records" if stands else b"")
    assert in_digest(candidates, TOPICS) == (b"records" if stands else None)


def test_records_of_this_instance_stand_before_those_of_the_log() -> None:
    """And count in no digest. A partition whose number looks like theirs is one of the log all the same."""
    log, own = candidate(timestamp=9, records=b"log"), candidate(timestamp=1, records=b"own", position=3)
    both = {(0, 4): log, OWN: own}
    assert standing(28, both, TOPICS) == RRset(
        28, LOCAL | CONTESTED, 2, b"own", Origin(LOCAL_TOPIC, 0, 3, 1, b"{}"))
    assert (in_digest(both, TOPICS), standing_records(both, TOPICS), is_conflict(both)) == (b"log", b"log", False)
    assert standing(28, {(0, LOCAL_TOPIC): log}, TOPICS) == RRset(
        28, 0, 2, b"log", Origin(0, LOCAL_TOPIC, 7, 9, b"{}"))


def test_a_rejected_event_leaves_what_stood_and_takes_it_out_of_the_digest() -> None:
    """Nodes that read the compacted log may not have it."""
    for candidates in (
        {(0, 0): candidate(rejected=True)},
        {(0, 0): candidate(), (0, 1): candidate(NONE, rejected=True)},
    ):
        found = standing(1, candidates, TOPICS)
        assert found is not None
        assert found.flags & REJECTED
        assert not found.flags & LOCAL
        assert (in_digest(candidates, TOPICS), standing_records(candidates, TOPICS)) == (None, b"records")
    good = standing(1, {(0, 0): candidate()}, TOPICS)
    assert good is not None
    assert good.flags == 0


@pytest.mark.parametrize(("candidates", "rows", "conflict"), [
    ({}, False, False),
    ({(0, 0): candidate()}, False, False),
    ({(0, 0): candidate(DELETE)}, True, False),
    ({(0, 0): candidate(NONE)}, True, False),
    ({(0, 0): candidate(rejected=True)}, True, False),
    ({OWN: candidate()}, True, False),
    ({(0, LOCAL_TOPIC): candidate()}, False, False),
    ({(0, 0): candidate(), OWN: candidate()}, True, False),
    ({(0, 0): candidate(), (0, 1): candidate(DELETE, timestamp=4)}, True, True),
    ({(0, 0): candidate(), (1, 0): candidate(), OWN: candidate()}, True, True),
])
def test_what_needs_rows_and_what_is_a_conflict(
    candidates: dict[CandidateId, Candidate], rows: bool, conflict: bool
) -> None:
    assert needs_rows(candidates) is rows
    assert is_conflict(candidates) is conflict
    if len(candidates) > 1:
        found = standing(1, candidates, TOPICS)
        assert found is not None
        assert found.flags & CONTESTED


@pytest.mark.parametrize("each", [
    Candidate(SET, False, 0, 0, 0, b"", b""), Candidate(DELETE, True, 1 << 40, 1 << 50, 9, b"", b'{"producer":"x"}'),
    Candidate(SET, True, 3, -4, 70_000, b"r" * 70_000, b"m" * 300),
    Candidate(NONE, True, 1, 2, 3, b"records", b"metadatas"),
])
def test_a_row_has_all_of_a_candidate(each: Candidate) -> None:
    for owner, rdtype in ((b"\0", 1), (b"\3www\7example\0", 65_534)):
        assert decode_row(encode_row(owner, rdtype, each)) == (owner, rdtype, each)


def test_the_candidate_of_an_rrset_that_has_no_rows() -> None:
    rrset = RRset(28, 0, 3, b"records", Origin(1, 4, 77, 99, b"{}"))
    assert from_rrset(rrset) == ((1, 4), Candidate(SET, False, 77, 99, 3, b"records", b"{}"))
    assert standing(28, dict((from_rrset(rrset),)), TOPICS) == rrset
