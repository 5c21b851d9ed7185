"""Imports through the file log while everything is asked for without pause: nothing that is there is ever denied."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.harness import Server, import_under_load
from tests.harness.watching import Watch, zone_file


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("partitions", [None, 4], ids=["one file", "4 partitions"])
def test_an_import_hides_no_name(
    serve: Callable[..., Server], say: Callable[[str], None], partitions: int | None
) -> None:
    server = serve(partitions=partitions)
    import_under_load.check(server, server.wait_applied, say)


@pytest.mark.parametrize("partitions", [None, 4], ids=["one file", "4 partitions"])
def test_lines_that_are_published_in_the_worst_order_hide_no_name(
    serve: Callable[..., Server], partitions: int | None
) -> None:
    """Deletes stand before what replaces them, aliases before their targets, a zone's SOA before its names."""
    server = serve(partitions=partitions)
    import_under_load.import_zone(
        server, "example.org", zone_file([f"h{number} A 192.0.2.1" for number in range(400)])
    )
    server.wait_applied()

    def line(owner: str, rdtype: str, content: str | None) -> str:
        records = None if content is None else [{"name": owner, "type": rdtype, "content": content, "ttl": 60}]
        return json.dumps({"key": f"{owner}|{rdtype}", "value": records}) + "\n"

    lines = [line("example.net.", "SOA", "a. b. 1 2 3 4 5")]
    for number in range(400):
        owner = f"h{number}.example.org."
        lines += [line(owner, "A", None), line(owner, "CNAME", f"t{number}.example.net.")]
        lines.append(line(f"t{number}.example.net.", "A", "192.0.2.2"))
    names = {
        "changed": [f"h{number}.example.org." for number in range(400)],
        "new": [f"t{number}.example.net." for number in range(400)],
    }
    with Watch(server.port, names) as watch:
        done = server.command("publish", "--json", "-", stdin="".join(lines))
        assert done.returncode == 0, done.stderr
        server.wait_applied()
    assert set(watch.rcodes["changed"]) == {"NOERROR"}, watch.rcodes
    assert watch.in_order["new"] == ["REFUSED", "NOERROR"], watch.rcodes


def test_a_rebuild_is_swapped_in_between_two_answers(serve: Callable[..., Server]) -> None:
    server = serve(partitions=4, DNS_LOCAL_RECORDS="local.example.org. 60 IN A 192.0.2.9")
    lines = [f"h{number} A 192.0.2.1" for number in range(2000)]
    import_under_load.import_zone(server, "example.org", zone_file(lines))
    server.wait_applied()
    names = [*(f"h{number}.example.org." for number in range(0, 2000, 10)), "local.example.org."]
    with Watch(server.port, {"all": names}) as watch:
        done = server.command("rebuild")
        assert "no differences" in done.stdout, done
    assert set(watch.rcodes["all"]) == {"NOERROR"}, watch.rcodes
