"""What replies may cost and how many queries may be on their way, to the microsecond and to the query."""

from __future__ import annotations

import pytest

from streamdns.resolver.resolution.costs import Costs
from streamdns.resolver.resolution.load import Load
from streamdns.resolver.resolution.servers import Address

ONE, OTHER = Address("192.0.2.1"), Address("192.0.2.2")
ZONE = b"\4evil\0"
FREE, OF_A_ZONE, OF_A_SERVER = 2_000, 50_000, 100_000


@pytest.mark.parametrize(("us", "kept"), [(0, 0), (FREE, 0), (FREE + 1, 2)])
def test_what_is_free_opens_no_account(us: int, kept: int) -> None:
    costs = Costs()
    costs.charge(ONE, ZONE, us, 0.0)
    assert (len(costs), costs.are_none) == (kept, kept == 0)


@pytest.mark.parametrize("later_s", [0.0, 10_000.0])
def test_how_much_is_too_much(later_s: float) -> None:
    """As much as may be had at once is not: one microsecond more is. An old debt that has faded counts for nothing."""
    for over_us, of_the_zone, of_the_server in (
        (OF_A_ZONE, False, False), (OF_A_ZONE + 1, True, False), (OF_A_SERVER, True, False),
        (OF_A_SERVER + 1, True, True),
    ):
        costs = Costs()
        if later_s:
            costs.charge(ONE, ZONE, FREE + 1_000_000, 0.0)
        costs.charge(ONE, ZONE, FREE + over_us, later_s)
        assert costs.is_too_much(OTHER, ZONE, later_s) is of_the_zone, over_us
        assert costs.is_too_much(ONE, b"\5other\0", later_s) is of_the_server, over_us


def test_the_oldest_account_goes_first() -> None:
    """Of 4,096 that are kept; one that is charged again is the youngest."""
    costs = Costs()
    costs.charge(ONE, b"first", FREE + 200_000, 0.0)
    for number in range(4_094):
        costs.charge(ONE, b"z%d" % number, FREE + 200_000, 0.0)
    assert len(costs) == 4_096
    costs.charge(ONE, b"first", FREE + 1, 0.0)
    costs.charge(ONE, b"last", FREE + 200_000, 0.0)
    assert len(costs) == 4_096
    assert [costs.is_too_much(OTHER, whose, 0.0) for whose in (b"z0", b"z1", b"first", b"last")] == [
        False, True, True, True]


@pytest.mark.parametrize("most", [1, 2])
def test_as_many_as_there_may_be_on_their_way(most: int) -> None:
    """Of a zone and of a server; what ends makes room."""
    load = Load(most, most)
    for number in range(most):
        assert not load.zone_is_full(ZONE), number
        assert not load.server_is_full(ONE), number
        load.begins(ONE, ZONE)
    assert load.zone_is_full(ZONE)
    assert load.server_is_full(ONE)
    assert not load.zone_is_full(b"\5other\0")
    assert not load.server_is_full(OTHER)
    load.ends(ONE, ZONE)
    assert not load.zone_is_full(ZONE)
    assert not load.server_is_full(ONE)


def test_what_is_owed_is_told() -> None:
    """In all, less what was forgiven since; a server is left alone until it owes no more than it may."""
    costs = Costs()
    assert (costs.owed_us(ONE, 0.0), costs.left_alone_s(ONE, 0.0)) == (0.0, 0.0)
    costs.charge(ONE, ZONE, FREE + 300_000, 0.0)
    assert [costs.owed_us(ONE, now_s) for now_s in (0.0, 5.0, 1e6)] == [300_000, 200_000, 0.0]
    assert [costs.left_alone_s(ONE, now_s) for now_s in (0.0, 9.0, 10.0, 1e6)] == [10.0, 1.0, 0.0, 0.0]
    assert costs.owed_us(OTHER, 0.0) == 0.0
    for now_s in (9.99, 10.01):
        assert costs.is_too_much(ONE, b"\5other\0", now_s) is (costs.left_alone_s(ONE, now_s) > 0)
