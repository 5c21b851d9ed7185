"""`streamdns rebuild` beside a running server and without one, and rebuilds that are killed at any point."""

from __future__ import annotations

import errno
import functools
import os
import pathlib
import pty
import random
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from streamdns.errors import ViewError
from streamdns.view.view import open_readonly
from tests.harness import ROOT, Server, wait_until
from tests.harness.disks import fill_disk
from tests.harness.watching import asking
from tests.integration.test_rebuild import BASE, BOTH, SOA, bulk, check, generations, line, swapped

ROUNDS = 10


def rebuilds(server: Server) -> bool:
    """Whether a rebuild is under way."""
    return server.status()["view"]["rebuild"] is not None


def answered(server: Server, number: int) -> bool:
    """Whether the change with this number is in the answers."""
    return server.answers("now.example.org", "TXT") == [f'"{number}"']


def last(server: Server) -> dict[str, object]:
    """What status keeps of the last rebuild."""
    found = server.status()["view"]["last_rebuild"]
    assert isinstance(found, dict)
    return found


def test_a_rebuild_is_asked_for_followed_and_told(serve: Callable[..., Server]) -> None:
    server = serve(start=False)
    lines = [*BASE, *bulk(3000)]
    server.append(lines)
    server.start()
    old = generations(server)
    assert server.status()["view"]["last_rebuild"] is None
    with asking(server, BOTH) as wrong:
        done = server.command("rebuild")
    assert wrong == []
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0].endswith(" s: 3002 RRsets in 1 zones")
    assert done.stdout.splitlines()[1] == "no differences: both views have the same RRsets"
    wait_until(functools.partial(swapped, server, old), "the rebuilt view serves")
    check(server, lines)
    kept = last(server)
    assert str(kept["reason"]).startswith("asked for by ")
    assert (kept["added"], kept["removed"], kept["changed"], kept["same_data"]) == (0, 0, 0, True)
    assert server.status()["consumer"]["alarm"] is None
    assert not (server.view / "rebuild-request").exists()
    assert "consumer.rebuild_swapped" in server.written()


def test_what_is_published_meanwhile_is_answered_at_once_and_no_difference(serve: Callable[..., Server]) -> None:
    server = serve(start=False, DNS_BATCH_EVENTS="10")
    server.append([*BASE, *bulk(10_000)])
    server.start()
    old = generations(server)
    assert server.command("rebuild", "--no-wait").returncode == 0
    wait_until(lambda: rebuilds(server), "it rebuilds")
    number, before = 0, 0
    while server.status()["view"]["last_rebuild"] is None:
        number += 1
        server.publish("now.example.org", "TXT", [str(number)])
        wait_until(functools.partial(answered, server, number), f"change {number} is answered")
        before += rebuilds(server)
    assert before > 1, "it was over before anything was published"
    kept = last(server)
    assert (kept["added"], kept["removed"], kept["changed"]) == (0, 0, 0)
    wait_until(functools.partial(swapped, server, old), "the rebuilt view serves")
    assert answered(server, number)
    assert server.command("digest", "--verify").returncode == 0


def test_differences_are_shown(serve: Callable[..., Server]) -> None:
    """The first line, by which a log is known, stays; what follows is another log of the same length."""
    server = serve(start=False, DNS_SWAP_GUARD="off")
    first = [*BASE, line("gone.example.org.", "A", "192.0.2.1"), line("that.example.org.", "A", "192.0.2.1")]
    then = [*BASE, line("came.example.org.", "A", "192.0.2.1"), line("that.example.org.", "A", "192.0.2.2")]
    server.append(first)
    server.start()
    assert server.answers("that.example.org") == ["192.0.2.1"]
    with server.log.open("r+b") as file:
        file.write(b"".join(then))
    done = server.command("rebuild")
    assert done.stdout.splitlines()[1:] == ["1 RRsets added, 1 removed, 1 changed"]
    assert server.answers("that.example.org") == ["192.0.2.2"]
    check(server, then)


def test_only_to_ask(serve: Callable[..., Server]) -> None:
    server = serve(start=False)
    server.append(BASE)
    server.start()
    done = server.command("rebuild", "--no-wait")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith(f"was asked to rebuild the view in {server.view}\n")
    wait_until(lambda: server.status()["view"]["last_rebuild"], "it was done")


def test_without_an_admin_address_it_is_only_asked(serve: Callable[..., Server]) -> None:
    server = serve(start=False)
    server.append(BASE)
    server.start()
    done = subprocess.run(
        [sys.executable, "-m", "streamdns", "rebuild"], env=server.environment | {"DNS_ADMIN_ADDRESS": "off"},
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")
    assert "without DNS_ADMIN_ADDRESS it cannot be followed" in done.stderr
    wait_until(lambda: server.status()["view"]["last_rebuild"], "it was done all the same")


@pytest.mark.slow
def test_another_server_at_the_address_is_not_taken_for_it(serve: Callable[..., Server]) -> None:
    server, other = serve(start=False, DNS_INSTANCE_ID="one"), serve(DNS_INSTANCE_ID="two")
    server.append(BASE)
    server.start()
    done = subprocess.run(
        [sys.executable, "-m", "streamdns", "rebuild"],
        env=server.environment | {"DNS_ADMIN_ADDRESS": f"127.0.0.1:{other.admin_port}"},
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )
    assert done.returncode == 1
    assert done.stderr.endswith(f"cannot be had: http://127.0.0.1:{other.admin_port} is another server\n")
    assert server.status()["view"]["last_rebuild"] is not None


def to_the_end(master: int) -> bytes:
    """All that was written to a terminal that nobody has open any more: it comes in pieces of 4 KiB."""
    pieces = []
    try:
        while piece := os.read(master, 65536):
            pieces.append(piece)
    except OSError as error:
        if error.errno != errno.EIO:
            raise
    return b"".join(pieces)


def test_a_terminal_gets_a_bar(serve: Callable[..., Server]) -> None:
    server = serve(start=False, DNS_BATCH_EVENTS="20")
    server.append([*BASE, *bulk(40_000)])
    server.start()
    master, terminal = pty.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "streamdns", "rebuild"], env=server.environment, cwd=ROOT, stdout=subprocess.PIPE,
            stderr=terminal, text=True, timeout=60, check=False,
        )
        os.close(terminal)
        drawn = to_the_end(master).decode()
    finally:
        os.close(master)
    assert done.returncode == 0
    assert "\rrebuilding [" in drawn
    assert drawn.endswith("\r\x1b[K")
    assert done.stdout.startswith("rebuilt in ")


def test_without_a_server_the_next_start_does_it(serve: Callable[..., Server]) -> None:
    server = serve(start=False)
    done = server.command("rebuild")
    assert done.returncode == 1
    assert done.stderr == f"streamdns: there is no view in {server.view} yet: the first start of the server makes it\n"
    server.append(BASE)
    server.start()
    old = generations(server)
    assert server.stop() == 0
    for _ in range(2):
        done = server.command("rebuild")
        assert done.returncode == 0
        assert done.stderr == f"streamdns: no server runs on the view in {server.view}: the next start rebuilds it\n"
    server.start()
    wait_until(functools.partial(swapped, server, old), "the rebuilt view serves")
    assert server.metrics()["streamdns_consumer_rebuilds_total"] == 1
    assert server.stop() == 0
    server.start()
    wait_until(lambda: server.status()["consumer"]["state"] == "following", "it follows")
    assert server.metrics()["streamdns_consumer_rebuilds_total"] == 0


def test_a_request_survives_a_log_that_is_out_of_reach(serve: Callable[..., Server]) -> None:
    server = serve(start=False)
    server.append(BASE)
    server.start()
    away = server.log.rename(server.folder / "away.jsonl")
    server.log.mkdir()
    (server.log / "0.jsonl").mkdir()
    wait_until(lambda: server.status()["consumer"]["state"] == "reconnecting", "the log is out of reach")
    command = [sys.executable, "-m", "streamdns", "rebuild"]
    with subprocess.Popen(
        command, env=server.environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as asker:
        wait_until((server.view / "rebuild-request").exists, "it has asked")
        (server.log / "0.jsonl").rmdir()
        server.log.rmdir()
        away.rename(server.log)
        out, _ = asker.communicate(timeout=60)
    assert asker.returncode == 0
    assert "no differences" in out


def test_the_one_who_asks_is_told_that_the_server_ended(serve: Callable[..., Server]) -> None:
    server = serve(start=False, DNS_BATCH_EVENTS="5")
    server.append([*BASE, *bulk(20_000)])
    server.start()
    command = [sys.executable, "-m", "streamdns", "rebuild"]
    with subprocess.Popen(
        command, env=server.environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as asker:
        wait_until(lambda: rebuilds(server), "it rebuilds")
        server.kill()
        _, err = asker.communicate(timeout=60)
    assert (asker.returncode, err) == (1, "streamdns: the server has ended: its next start makes the rebuild\n")
    server.start()
    wait_until(lambda: server.status()["view"]["last_rebuild"], "it has done so", timeout_s=60)


def served(server: Server) -> str:
    """The digest of the view that a killed server left to serve."""
    store = open_readonly(str(server.view))
    try:
        assert store.state().complete, "half a view would serve"
        return store.state().digest.hex()
    finally:
        store.close()


@pytest.mark.slow
def test_sigkill_at_random_points_of_rebuilds(serve: Callable[..., Server]) -> None:
    """Filling, comparing, swapping, removing: at the next start it goes on or begins again, and is right in the end."""
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    chance = random.Random(seed)
    lines = [*BASE, *bulk(6000), *(line(f"bulk{number}.example.org.", "TXT", '"again"', timestamp=2)
                                   for number in range(0, 6000, 7))]
    server = serve(start=False, DNS_BATCH_EVENTS="200")
    server.append([line("example.org.", "SOA", SOA, timestamp=5), *lines])
    server.start()
    right = server.status()["digest"]
    for number in range(ROUNDS):
        if not rebuilds(server) and not (server.view / "rebuild-request").exists():
            assert server.command("rebuild", "--no-wait").returncode == 0
        if number % 2:
            wait_until(lambda: rebuilds(server), "it rebuilds")
        time.sleep(chance.random() * 1.5)  # not to wait for anything: the moment of the kill
        server.kill()
        left = sorted(os.listdir(server.view))
        print(f"round {number}: {left}")
        assert served(server) == right
        server.start()
        assert server.answers("both.example.org") == ["192.0.2.1"]
        assert server.answers("bulk7.example.org", "TXT") == ['"again"']
        assert server.status()["digest"] == right
    wait_until(lambda: len(generations(server)) == 1 and not rebuilds(server), "it comes to an end", timeout_s=60)
    done = server.command("rebuild")
    assert "no differences" in done.stdout, done.stderr
    check(server, [line("example.org.", "SOA", SOA, timestamp=5), *lines])
    assert server.stop() == 0
    assert sorted(os.listdir(server.view)) == ["current", "lock", *generations(server)]


def test_a_view_that_is_damaged_is_asked_for_all_the_same(serve: Callable[..., Server]) -> None:
    server = serve(start=False)
    server.append(BASE)
    server.start()
    assert server.stop() == 0
    (server.view / generations(server)[0] / "data.mdb").write_bytes(b"\xa5" * 65536)
    with pytest.raises(ViewError):
        served(server)
    assert server.command("rebuild").returncode == 0
    server.start()
    check(server, BASE)
    kept = last(server)
    assert (kept["added"], kept["removed"], kept["changed"], kept["same_data"]) == (None, None, None, None)


@pytest.mark.root
def test_a_disk_without_room_is_refused_with_both_figures(
    serve: Callable[..., Server], small_disk: pathlib.Path
) -> None:
    server = serve(start=False, DNS_PATHDB=str(small_disk / "view"))
    server.view = small_disk / "view"
    lines = [*BASE, *bulk(500)]
    server.append(lines)
    server.start()
    ballast = small_disk / "ballast"
    fill_disk(ballast)
    done = server.command("rebuild")
    assert done.returncode == 1
    assert f"a rebuild of the view in {server.view} may need " in done.stderr
    assert " MiB are free there: make room" in done.stderr
    (server.view / "rebuild-request").touch()
    wait_until(lambda: not (server.view / "rebuild-request").exists(), "the server refuses it, too")
    assert " may need " in server.status()["view"]["rebuild_refused"]["reason"]
    assert "consumer.rebuild_refused" in server.written()
    assert server.metrics()["streamdns_consumer_rebuilds_total"] == 0
    ballast.unlink()
    server.append([line("late.example.org.", "A", "192.0.2.9")])
    check(server, [*lines, line("late.example.org.", "A", "192.0.2.9")])
    assert server.command("rebuild").returncode == 0
