"""The service on a file system that is read-only: it answers from the view; and commands on one that is full."""

from __future__ import annotations

import functools
import signal
from collections.abc import Callable

import pytest

from tests.harness import Server, wait_until
from tests.harness.disks import Disk, fill_disk

pytestmark = pytest.mark.root
SOA = "ns.example.org. host.example.org. 1 2 3 4 5"


def is_full(server: Server) -> bool:
    """Whether the consumer waits until it can write."""
    return bool(server.status()["consumer"]["state"] == "view-full")


def filled(serve: Callable[..., Server], disk: Disk, **settings: str) -> Server:
    """A server with a view on the disk that has all of its log."""
    server = serve(start=False, DNS_PATHDB=str(disk.path / "view"), **settings)
    server.view = disk.path / "view"
    server.publish("example.org", "SOA", [SOA], timestamp=1)
    server.publish("www.example.org", "A", ["192.0.2.1"], timestamp=1)
    server.start()
    server.wait_applied()
    return server


def test_a_good_view_on_a_read_only_file_system_is_served(serve: Callable[..., Server], disk: Disk) -> None:
    server = filled(serve, disk)
    assert server.stop() == 0
    server.publish("new.example.org", "A", ["192.0.2.2"], timestamp=1)
    disk.remount("ro")
    done = server.command("check")
    assert done.returncode == 0, done
    assert "is read-only: the view is served as it is" in done.stderr
    server.start()
    assert server.answers("www.example.org") == ["192.0.2.1"]
    wait_until(functools.partial(is_full, server), "the log cannot be followed")
    assert "read-only" in server.status()["consumer"]["error"]
    for command in ("digest", "lookup www.example.org", "export example.org", "quarantine", "conflicts", "status"):
        done = server.command(*command.split())
        assert done.returncode == 0, done
    # Nobody else may have it meanwhile, as ever.
    second = serve(start=False, DNS_PATHDB=str(server.view), DNS_ADDRESS="127.0.0.1:0", DNS_ADMIN_ADDRESS="off")
    done = second.command("run")
    assert (done.returncode, "is in use by" in done.stderr) == (1, True), done
    assert server.answers("www.example.org") == ["192.0.2.1"]
    assert server.stop() == 0
    disk.remount("rw")
    server.start()
    server.wait_applied()
    assert server.answers("new.example.org") == ["192.0.2.2"]
    assert server.command("digest", "--verify").returncode == 0
    assert "Traceback" not in server.written()


def test_a_file_system_that_turns_read_only_is_a_full_one(serve: Callable[..., Server], failing_disk: Disk) -> None:
    """Answers go on and say after a while that they are old; status says why; it goes on when it can be written."""
    server = filled(serve, failing_disk)
    failing_disk.fail()
    server.publish("new.example.org", "A", ["192.0.2.2"], timestamp=1)
    wait_until(functools.partial(is_full, server), "the log cannot be followed")
    assert "is full or fails: " in server.status()["consumer"]["error"]
    assert server.answers("www.example.org") == ["192.0.2.1"]
    assert server.answers("new.example.org") == []
    assert server.get("/health")[0] == 200
    server.signal(signal.SIGHUP)
    wait_until(lambda: "app.reloaded" in server.written(), "settings can be read")
    server.kill()
    server.start()
    assert server.answers("www.example.org") == ["192.0.2.1"]
    wait_until(functools.partial(is_full, server), "the log cannot be followed after a start")
    assert server.stop() == 0
    failing_disk.unmount()
    failing_disk.mount()
    server.start()
    server.wait_applied()
    assert server.answers("new.example.org") == ["192.0.2.2"]
    assert server.command("digest", "--verify").returncode == 0
    assert "Traceback" not in server.written()


def test_commands_on_a_full_disk_name_the_file_and_leave_nothing_behind(
    serve: Callable[..., Server], disk: Disk
) -> None:
    server = serve(start=False, DNS_ADMIN_USERS=str(disk.path / "users"))
    password = "correct horse\n"
    assert server.command("user", "add", "alice", "--role", "viewer", stdin=password).returncode == 0
    before = (disk.path / "users").read_bytes()
    fill_disk(disk.path / "ballast")
    done = server.command("user", "add", "bob", "--role", "viewer", stdin=password)
    assert done.returncode == 1
    assert done.stderr == f"streamdns: {disk.path / 'users'}: No space left on device\n"
    assert (disk.path / "users").read_bytes() == before
    assert {path.name for path in disk.path.iterdir()} == {"users", "users.lock", "ballast"}
