"""What compare and a rebuild call a difference: records in canonical form, in any order, and their TTL."""

from __future__ import annotations

import pytest

from streamdns.commands.compare import _data as of_rows
from streamdns.dns import rdata
from streamdns.dns.node import pack_records
from streamdns.view.comparison import _data as of_views


@pytest.mark.parametrize(
    ("rdtype", "one", "other", "same"),
    [
        ("NS", ["ns1.example.", "ns2.example."], ["NS2.example.", "Ns1.Example."], True),
        ("NS", ["ns1.example."], ["ns1.example.", "NS1.example."], True),
        ("TXT", ['"a"'], ['"A"'], False),
        ("MX", ["10 a."], ["20 a."], False),
        ("HTTPS", ["1 . ohttp"], ["1 . key8"], True),
    ],
)
def test_same_data(rdtype: str, one: list[str], other: list[str], same: bool) -> None:
    rows = [{"type": rdtype, "ttl": 5, "records": records} for records in (one, other)]
    assert (of_rows(rows[0]) == of_rows(rows[1])) == same
    assert of_rows(rows[0]) != of_rows({**rows[0], "ttl": 6})
    number = rdata.type_from_text(rdtype)
    packed = [pack_records(number, 5, [rdata.from_text(number, text) for text in records]) for records in (one, other)]
    assert (of_views(packed[0]) == of_views(packed[1])) == same
