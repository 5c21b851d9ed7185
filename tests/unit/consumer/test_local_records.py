"""DNS_LOCAL_RECORDS: lines in presentation format become this instance's own RRsets."""

from __future__ import annotations

import pytest

from streamdns.consumer.local_records import parse
from streamdns.errors import ConfigError


def test_lines_of_one_rrset_become_one_with_the_lowest_ttl() -> None:
    lines = ["www.example.\t300\tIN\tA\t192.0.2.1", "WWW.example A 192.0.2.2", "www.example. IN 900 A 192.0.2.1"]
    (rrset,) = parse(lines, 600)
    assert rrset == (b"\3www\7example\0", 1, 300, (b"\xc0\0\2\1", b"\xc0\0\2\2"))


@pytest.mark.parametrize(
    ("line", "rdtype"),
    [
        ('t.example TXT "two words" "more"', 16),
        ("s.example 5 SRV 1 2 53 ns.example.", 33),
        (r"u.example TYPE65280 \# 2 abcd", 65280),
    ],
)
def test_any_type_may_be_given(line: str, rdtype: int) -> None:
    assert [rrset.rdtype for rrset in parse([line], 60)] == [rdtype]


def test_every_line_that_is_wrong_is_named() -> None:
    lines = ["x", "x 300", "x 5 IN", "x A 1.2.3", "x ANY y", "x 9999999999 A 192.0.2.1", "a..b A 192.0.2.1"]
    lines.append("ok.example A 192.0.2.1")
    with pytest.raises(ConfigError) as caught:
        parse(lines, 60)
    assert [problem.split("'")[1] for problem in caught.value.problems] == lines[:-1]


@pytest.mark.parametrize("before", ["300 IN", "IN 300", "300", "5m", "IN 5m", "CLASS1 300"])
def test_class_and_ttl_stand_in_either_order(before: str) -> None:
    (rrset,) = parse([f"www.example {before} A 192.0.2.1"], 60)
    assert rrset.ttl == 300


def test_rrsets_are_judged_as_those_of_the_log_are() -> None:
    lines = [
        f"{owner} 60 IN {rdtype} {target}" for owner, rdtype in (("two", "CNAME"), ("dn", "DNAME")) for target in "ab"
    ]
    with pytest.raises(ConfigError) as caught:
        parse(lines, 60)
    assert list(caught.value.problems) == [
        "DNS_LOCAL_RECORDS: two. CNAME: 2 CNAME records where only one may be",
        "DNS_LOCAL_RECORDS: dn. DNAME: 2 DNAME records where only one may be",
    ]
