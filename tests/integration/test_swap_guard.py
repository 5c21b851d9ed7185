"""A log that lost its data by mistake: the view made from it is held, and nothing that was answered goes away."""

from __future__ import annotations

import functools
import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable, Sequence

import dns.exception
import dns.rcode

from tests.harness import ROOT, Server, wait_until
from tests.harness.watching import asking
from tests.integration.admin_calls import call
from tests.integration.test_rebuild import check, generations, line, replace, swapped

ZONES, NAMES = 6, 25
SOA = "ns.example. host.example. 1 2 3 4 5"


def zone(number: int, *, names: int = NAMES) -> list[bytes]:
    """The events of one zone: the names first, its SOA last."""
    apex = f"z{number}.example."
    made = [line(f"n{each}.{apex}", "A", f"192.0.2.{each}", timestamp=number + 1) for each in range(names)]
    return [*made, line(apex, "SOA", SOA)]


ADDRESSES = {f"n{each}.z{number}.example.": [f"192.0.2.{each}"] for number in range(ZONES) for each in range(NAMES)}
EVERYTHING = [each for number in range(ZONES) for each in zone(number)]


def filled(serve: Callable[..., Server], lines: Sequence[bytes] = EVERYTHING, **settings: str) -> Server:
    """A server that follows a log of some zones."""
    server = serve(start=False, **settings)
    server.append(lines)
    server.start()
    return server


def is_held(server: Server) -> bool:
    return server.status()["view"]["held"] is not None


def test_a_log_that_is_cut_and_filled_again_slowly_takes_no_name_away(serve: Callable[..., Server]) -> None:
    """Cut to a part of one zone, then written again zone by zone; killed in between. It takes over by itself."""
    server = filled(serve)
    old = generations(server)
    begin = EVERYTHING[:20]
    with asking(server, ADDRESSES) as wrong:
        os.truncate(server.log, sum(map(len, begin)))
        wait_until(lambda: is_held(server), "it is held")
        for number in range(3):
            server.append(zone(number)[20:] if number == 0 else zone(number))
            server.wait_applied()
            assert is_held(server)
    assert wrong == []
    status = server.status()
    held = status["view"]["held"]
    assert (held["zones_served"], held["rrsets_served"]) == (ZONES, ZONES * (NAMES + 1))
    assert status["consumer"]["state"] == "held"
    assert (status["zones"], status["ready"]) == (ZONES, True)
    assert held["reason"] in str(status["consumer"]["alarm"]["reason"]) or "of 6 zones" in held["reason"]
    assert server.metrics()["streamdns_consumer_held"] == 1
    assert server.metrics()['streamdns_consumer_alarms_total{reason="held"}'] == 1
    code, body = server.get("/ready")
    assert (code, json.loads(body)["ready"]) == (200, True)
    assert json.loads(body)["held"].startswith("a rebuilt view is held: ")
    server.kill()
    assert len(generations(server)) == 2
    server.start()
    with asking(server, ADDRESSES) as wrong:
        wait_until(lambda: is_held(server), "it is held on")
        assert server.metrics()["streamdns_consumer_rebuilds_total"] == 0
        for number in range(3, ZONES):
            server.append(zone(number))
        wait_until(functools.partial(swapped, server, old), "the rebuilt view takes over")
    assert wrong == []
    check(server, EVERYTHING)
    assert not is_held(server)
    assert server.metrics()["streamdns_consumer_held"] == 0
    assert "held" not in json.loads(server.get("/ready")[1])
    assert "consumer.rebuild_held" in server.written()


def test_the_old_view_is_marked_as_stale_after_a_while(serve: Callable[..., Server]) -> None:
    server = filled(serve, zone(0), DNS_STALE_AFTER="1")
    os.truncate(server.log, 0)
    wait_until(lambda: server.get("/ready")[0] == 503, "it is not ready")
    (because,) = json.loads(server.get("/ready")[1])["because"]
    assert because.startswith("a rebuilt view is held: the log is empty, and 1 of 1 zones and 26 of 26 RRsets ")
    assert because.endswith(", and that has been so for longer than DNS_STALE_AFTER")
    wait_until(lambda: "EDE 3" in server.ask("n1.z0.example", use_edns=0).to_text(), "answers are marked")
    assert server.answers("n1.z0.example") == ["192.0.2.1"]


def test_what_goes_away_is_shown_and_accepted_by_the_command(serve: Callable[..., Server]) -> None:
    server = filled(serve, [*zone(0), *zone(1), *zone(2)])
    old = generations(server)
    assert server.command("rebuild", "--accept").stderr == (
        f"streamdns: no rebuilt view is held in {server.view}: there is nothing to accept\n"
    )
    lines = [*zone(0), *zone(1, names=5)]
    replace(server, lines)
    wait_until(lambda: is_held(server), "it is held")
    shown = server.command("rebuild", "--accept", "--dry-run")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.splitlines() == [
        "- zone z2.example. (26 RRsets)",
        "1 of 3 zones and 46 of 78 RRsets would go away; 32 RRsets in 2 zones would be served",
    ]
    named = server.command("rebuild", "--accept", "--dry-run", "--names").stdout.splitlines()
    assert len(named) == 1 + 46 + 1
    assert "- n24.z1.example. A" in named
    assert "- z2.example. SOA" in named
    plain = server.command("rebuild")
    assert plain.returncode == 1
    assert "a rebuilt view is held: 1 of 3 zones and 46 of 78 RRsets would go away" in plain.stderr
    assert "`streamdns rebuild --accept`" in plain.stderr
    asked = server.command("rebuild", "--accept")
    assert asked.returncode == 1
    assert "only with --yes where nobody can be asked" in asked.stderr
    assert is_held(server)
    done = server.command("rebuild", "--accept", "--yes")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "0 RRsets added, 46 removed, 0 changed"
    wait_until(functools.partial(swapped, server, old), "the rebuilt view serves")
    check(server, lines)
    assert server.ask("n1.z2.example").rcode() == dns.rcode.REFUSED
    assert "consumer.rebuild_accepted" in server.written()


def test_somebody_at_a_terminal_is_asked(serve: Callable[..., Server]) -> None:
    server = filled(serve, [*zone(0), *zone(1)])
    replace(server, zone(0))
    wait_until(lambda: is_held(server), "it is held")
    for answer, code in (("n", 1), ("y", 0)):
        master, terminal = pty.openpty()
        try:
            os.write(master, f"{answer}\n".encode())
            done = subprocess.run(
                [sys.executable, "-m", "streamdns", "rebuild", "--accept"], env=server.environment, cwd=ROOT,
                stdin=terminal, capture_output=True, text=True, timeout=60, check=False,
            )
        finally:
            os.close(master)
            os.close(terminal)
        assert done.returncode == code, done.stderr
        assert "let them go? [y/N]" in done.stdout
    assert not is_held(server)


def test_what_goes_away_is_shown_and_accepted_by_the_api(serve: Callable[..., Server]) -> None:
    server = filled(serve, [*zone(0), *zone(1), *zone(2)])
    for path in ("/v1/rebuild/zones", "/v1/rebuild/rrsets"):
        assert call(server, "GET", path).code == "not_held"
    replace(server, [*zone(0), *zone(1, names=5)])
    wait_until(lambda: is_held(server), "it is held")
    zones = call(server, "GET", "/v1/rebuild/zones").document
    assert ([each["name"] for each in zones["zones"]], zones["total"], zones["next"]) == (["z2.example."], 1, None)
    found, cursor = [], ""
    while cursor is not None:
        page = call(server, "GET", f"/v1/rebuild/rrsets?limit=7&cursor={cursor}").document
        assert len(page["rrsets"]) <= 7
        found += [(each["name"], each["type"]) for each in page["rrsets"]]
        cursor = page["next"]
    assert len(found) == len(set(found)) == 46
    assert ("z2.example.", "SOA") in found
    held = server.status()["view"]["held"]
    assert (held["zones"], held["rrsets"]) == (1, 46)
    word = {"id": held["id"], "zones": 1, "rrsets": 46}
    assert call(server, "POST", "/v1/rebuild/accept", body=word | {"id": "another"}).code == "another_held"
    assert call(server, "POST", "/v1/rebuild/accept", body=word | {"rrsets": 45}).code == "more_goes_away"
    assert is_held(server)
    assert call(server, "POST", "/v1/rebuild/accept", body=word).document["rrsets"] == 46
    wait_until(lambda: not is_held(server), "it takes over")
    assert server.status()["zones"] == 2


def test_off_takes_over_at_once(serve: Callable[..., Server]) -> None:
    server = filled(serve, [*zone(0), *zone(1)], DNS_SWAP_GUARD="off")
    old = generations(server)
    replace(server, zone(0))
    wait_until(functools.partial(swapped, server, old), "the rebuilt view serves")
    check(server, zone(0))
    assert server.status()["zones"] == 1
