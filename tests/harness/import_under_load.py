"""Imports into a server that is asked all the time: what a name must say when it is there before and after."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.harness.server import Server
from tests.harness.watching import Watch, zone_file

CHANGED, NEW, REMOVED = 800, 30_000, 3_000


def import_zone(server: Server, origin: str, text: str, *options: str) -> str:
    """Run `streamdns import`; what it said."""
    file = server.folder / "zone"
    file.write_text(text)
    done = server.command("import", str(file), "--origin", origin, *options, timeout_s=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def check(server: Server, applied: Callable[[], Any], say: Callable[[str], None]) -> None:
    """Names change from A to CNAME and back among others that come and go; then a zone comes that was not there."""
    addresses = [f"h{number} A 192.0.2.1" for number in range(CHANGED)]
    # Every second one points to a name that comes with it, by way of another alias.
    aliases = [f"h{number} CNAME {'lb' if number % 2 else f'via{number}'}" for number in range(CHANGED)]
    aliases += [f"via{number} CNAME to{number}" for number in range(0, CHANGED, 2)]
    aliases += [f"to{number} A 192.0.2.3" for number in range(0, CHANGED, 2)]
    new = [f"n{number} A 192.0.2.4" for number in range(NEW)]
    old = [f"r{number} A 192.0.2.5" for number in range(REMOVED)]
    staying = ["lb A 192.0.2.2", "*.wild A 192.0.2.6"]
    before, after = zone_file([*addresses, *old, *staying]), zone_file([*aliases, *new, *staying])
    import_zone(server, "example.org", before)
    applied()
    names = [*(f"h{number}.example.org." for number in range(CHANGED)), "lb.example.org.", "x.wild.example.org."]
    with Watch(server.port, {"in both": names}) as watch:
        for step in (after, before):
            import_zone(server, "example.org", step, "--replace")
            applied()
    say(f"names in both states: {dict(watch.rcodes['in both'])}")
    assert set(watch.rcodes["in both"]) == {"NOERROR"}, watch.rcodes

    below = [f"n{number}.example.net." for number in range(0, NEW, 100)]
    with Watch(server.port, {"new zone": below}) as watch:
        import_zone(server, "example.net", zone_file(new))
        applied()
    say(f"names of a new zone: {dict(watch.rcodes['new zone'])}")
    assert watch.in_order["new zone"] == ["REFUSED", "NOERROR"], watch.rcodes

    inside = [f"n{number}.sub.example.org." for number in range(0, 3000, 10)]
    import_zone(server, "example.org", zone_file([*staying, *(line.replace(" ", ".sub ", 1) for line in new[:3000])]))
    applied()
    with Watch(server.port, {"new zone inside": inside}) as watch:
        import_zone(server, "sub.example.org", zone_file(new[:3000]))
        applied()
    say(f"names of a new zone within another: {dict(watch.rcodes['new zone inside'])}")
    assert watch.in_order["new zone inside"] == ["NOERROR"], watch.rcodes
